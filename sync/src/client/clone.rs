//! A new file from a remote repository, resumed where the last try stopped.

use std::path::Path;

use repo::{Genesis, Repo, RepoError, config, user};
use xfer::login::Secret;

use super::workplace::{FileError, Workplace};
use super::{ClientError, Remember, Setting, blocking, remember_url, run};
use crate::{Session, SyncOptions, SyncResult, Transport};

/// What to clone, and what the new file starts from.
#[derive(Debug, Clone, Default)]
pub struct CloneOptions {
    /// Login, and whether private artifacts are asked for.
    pub session: SyncOptions,
    /// Names what is cloned: an interrupted clone is taken up only by a clone of the same source.
    pub source: String,
    /// Whether the file is to know where it came from.
    pub remember: Remember,
    /// Server code of the new file: 40 hex digits.
    pub server: String,
    /// Its first user, who gets capability `s` (set-up).
    pub admin: String,
    /// That user's password.
    pub admin_password: String,
}

/// What a clone did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CloneResult {
    /// The session, since the last interruption.
    pub sync: SyncResult,
    /// Server code of the new file.
    pub server: String,
    /// Whether an interrupted clone was taken up.
    pub is_resumed: bool,
}

/// Names the source of a clone that is under way. Not a setting: it goes when the clone is whole.
const SOURCE: &str = "frond-clone-source";

/// Clones into a new file at `target`. Until the clone is whole it is under another name ([`super::work_file`]);
/// interrupted in any way, it is taken up by the next call with the same source and target.
pub async fn clone<T: Transport>(
    target: &Path,
    transport: &mut T,
    options: CloneOptions,
    setting: &mut Setting,
) -> Result<(Repo, CloneResult), ClientError> {
    let place = blocking(|| Workplace::take(target))?;
    let prepared = blocking(|| prepare(&place, &options, setting));
    let (mut repo, is_resumed) = match prepared {
        Ok(prepared) => prepared,
        Err(error) => {
            place.release();
            return Err(error);
        }
    };
    let mut session = Session::clone_into(options.session.clone(), setting.seed);
    let result = run(&mut session, &mut repo, transport, setting).await;
    let result = result.and_then(|()| blocking(|| finish(&mut repo, transport, &options, setting)));
    drop(repo);
    if let Err(error) = result {
        // Nothing came, nothing stays.
        if !is_resumed && session.result().stats.files_received == 0 {
            let _ = place.clear();
        }
        place.release();
        return Err(error);
    }
    blocking(|| place.publish())?;
    let mut repo = blocking(|| Repo::open(target))?;
    let server = config::server_code(&repo.snapshot()?)?.unwrap_or_default();
    Ok((repo, CloneResult { sync: session.result(), server, is_resumed }))
}

/// Opens the interrupted clone, or begins one.
fn prepare(
    place: &Workplace,
    options: &CloneOptions,
    setting: &Setting,
) -> Result<(Repo, bool), ClientError> {
    let wanted = identity(options);
    if let Some((repo, source)) = interrupted(place.work())? {
        if source == wanted {
            return Ok((repo, true));
        }
        return Err(FileError::OtherSource { file: place.work().to_owned(), source_url: source }.into());
    }
    place.clear()?;
    let now = (setting.clock)();
    let genesis = Genesis {
        server: options.server.clone(),
        user: options.admin.clone(),
        public: public(options).to_owned(),
        now,
        ..Genesis::default()
    };
    let mut repo = Repo::create(place.work(), &genesis)?;
    let tx = repo.begin()?;
    config::set(&tx, SOURCE, &wanted, now)?;
    tx.commit()?;
    Ok((repo, false))
}

/// What nobody may do in the new file. What everyone may clone may be cloned on, with the capabilities that
/// stock gives; what took a login is not opened to everyone.
fn public(options: &CloneOptions) -> &'static str {
    if options.session.user.is_none() { "gjorz" } else { "" }
}

/// The unfinished clone at `work` and its source. A file that does not say its source has nothing in it yet.
fn interrupted(work: &Path) -> Result<Option<(Repo, String)>, ClientError> {
    let mut repo = match Repo::open(work) {
        Ok(repo) => repo,
        Err(RepoError::NotFound { .. } | RepoError::NotARepository { .. }) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let source = config::get(&repo.snapshot()?, SOURCE)?;
    Ok(source.map(|source| (repo, source)))
}

/// A clone with private artifacts is another one than a clone without.
fn identity(options: &CloneOptions) -> String {
    let suffix = if options.session.private { " (with private artifacts)" } else { "" };
    format!("{}{suffix}", options.source)
}

/// What only a whole clone has: a user with a password, which needs the project code, and no mark of ours.
fn finish<T: Transport>(
    repo: &mut Repo,
    transport: &T,
    options: &CloneOptions,
    setting: &Setting,
) -> Result<(), ClientError> {
    remember_url(repo, transport, options.remember, setting)?;
    let project = config::project_code(&repo.snapshot()?)?.unwrap_or_default();
    let secret = Secret::derive(&project, &options.admin, &options.admin_password);
    let tx = repo.begin()?;
    user::set_password(&tx, &options.admin, &secret, (setting.clock)())?;
    config::unset(&tx, SOURCE)?;
    Ok(tx.commit()?)
}
