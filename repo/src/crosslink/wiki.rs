//! Wiki pages (reference: repo.md 6.4).

use rusqlite::OptionalExtension;

use super::backlink::{self, Source};
use super::event::{self, Event};
use super::{Linker, listing};
use crate::manifest::{Artifact, Wiki};
use crate::{RepoError, Rid, Text, Tx, manifest};

/// Links one version of a page.
pub(super) fn arrived(linker: &mut Linker, tx: &Tx<'_>, rid: Rid, wiki: &Wiki) -> Result<(), RepoError> {
    let size = text_bytes(&wiki.text);
    let page = linker.tags.id(tx, &event::text(&[b"wiki-", wiki.title.as_bytes()]))?;
    linker.label(rid, page, Some(Text::from(size.to_string().as_str())), wiki.date);
    linker.version(tx, rid, &wiki.parents, wiki.date)?;
    let sign: &[u8] = match (size, wiki.parents.as_slice()) {
        (0, _) => b"-",
        (_, []) => b"+",
        (_, _) => b":",
    };
    let comment = event::text(&[sign, wiki.title.as_bytes()]);
    event::write(
        tx,
        &Event {
            kind: "w",
            rid,
            time: wiki.date,
            tag: None,
            user: wiki.user.as_ref(),
            comment: Some(&comment),
            brief: None,
        },
    )?;
    linker.fresh.insert(rid);
    linker.pages.insert(page);
    Ok(())
}

/// Links what the latest version of each page mentions.
pub(super) fn finish(linker: &Linker, tx: &Tx<'_>) -> Result<(), RepoError> {
    for &page in &linker.pages {
        backlink::clear(tx, Source::Wiki(page))?;
        let latest: Option<Rid> = tx
            .prepared("SELECT rid FROM tagxref WHERE tagid=?1 ORDER BY mtime DESC, rid DESC LIMIT 1")?
            .query_row([page], |row| row.get(0))
            .optional()?;
        let Some(latest) = latest else { continue };
        let Some(content) = listing::held(tx, latest)? else { continue };
        if let Ok(Artifact::Wiki(wiki)) = manifest::parse(&content) {
            backlink::add(tx, Source::Wiki(page), wiki.date, &wiki.text, wiki.mimetype.as_ref())?;
        }
    }
    Ok(())
}

/// Bytes of a text after leading white space.
pub(super) fn text_bytes(text: &Text) -> usize {
    let blank = |byte: &&u8| matches!(byte, b' ' | b'\t'..=b'\r');
    text.as_bytes().len() - text.as_bytes().iter().take_while(blank).count()
}
