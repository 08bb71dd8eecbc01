//! Finds the hashes that a text links to (reference: repo.md section 6.13).

use crate::Text;

/// Which artifact hashes (4 to 64 lower-case digits, as given) a text links to, in order, each once.
/// `mimetype` none or containing "wiki" is Fossil wiki, containing "markdown" is Markdown, else nothing is linked.
pub fn backlinks(_text: &[u8], _mimetype: Option<&Text>) -> Vec<String> {
    unimplemented!()
}
