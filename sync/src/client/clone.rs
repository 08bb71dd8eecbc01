//! A new file from a remote repository, resumed where the last try stopped.

use std::path::Path;

use repo::{Genesis, Repo, RepoError, config, partial, user};
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
    let done = fill(&place, transport, &options, setting).await;
    let (result, begun) = match done {
        Ok(done) => done,
        Err(error) => {
            place.release();
            return Err(error);
        }
    };
    blocking(|| place.publish())?;
    blocking(|| {
        let mut repo = Repo::open(target)?;
        let tx = repo.begin()?;
        config::unset(&tx, SOURCE)?;
        let server = config::server_code(&tx)?.unwrap_or_default();
        tx.commit()?;
        Ok((repo, CloneResult { sync: result, server, is_resumed: begun != Begun::Now }))
    })
}

/// How far the work had come when it was taken up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Begun {
    Now,
    Earlier,
    /// Everything is in; only the name is missing.
    Whole,
}

/// Makes the work whole. What fails leaves it to be taken up, unless nothing came yet.
async fn fill<T: Transport>(
    place: &Workplace,
    transport: &mut T,
    options: &CloneOptions,
    setting: &mut Setting,
) -> Result<(SyncResult, Begun), ClientError> {
    let (mut repo, begun) = blocking(|| prepare(place, options, setting))?;
    let mut session = Session::clone_into(options.session.clone(), setting.seed);
    if begun != Begun::Whole
        && let Err(error) = run(&mut session, &mut repo, transport, setting).await
    {
        drop(repo);
        if begun == Begun::Now && session.result().stats.files_received == 0 {
            let _ = blocking(|| place.clear());
        }
        return Err(error);
    }
    let project = blocking(|| finish(&mut repo, transport, options, setting))?;
    Ok((SyncResult { project, ..session.result() }, begun))
}

/// Opens the interrupted clone, or begins one.
fn prepare(
    place: &Workplace,
    options: &CloneOptions,
    setting: &Setting,
) -> Result<(Repo, Begun), ClientError> {
    let wanted = identity(options);
    if let Some((mut repo, source)) = interrupted(place.work())? {
        if source == wanted {
            let begun = how_far(&mut repo)?;
            return Ok((repo, begun));
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
    Ok((repo, Begun::Now))
}

/// A session marks its file until everything is in; the first thing it learns is the project.
fn how_far(repo: &mut Repo) -> Result<Begun, RepoError> {
    let snap = repo.snapshot()?;
    let knows_project = config::project_code(&snap)?.is_some_and(|code| !code.is_empty());
    Ok(match partial::load(&snap)? {
        Some(_) => Begun::Earlier,
        None if knows_project => Begun::Whole,
        None => Begun::Now,
    })
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

/// What only a whole clone has: a user with a password, which needs the project code. Gives that code.
///
/// The mark of ours stays until the file has its name, so that the work is known again if we are killed here.
fn finish<T: Transport>(
    repo: &mut Repo,
    transport: &T,
    options: &CloneOptions,
    setting: &Setting,
) -> Result<String, ClientError> {
    remember_url(repo, transport, options.remember, setting)?;
    let project = config::project_code(&repo.snapshot()?)?.unwrap_or_default();
    let secret = Secret::derive(&project, &options.admin, &options.admin_password);
    let tx = repo.begin()?;
    user::set_password(&tx, &options.admin, &secret, (setting.clock)())?;
    tx.commit()?;
    Ok(project)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::Mock;

    #[tokio::test]
    async fn a_clone_that_lacks_only_its_name_gets_it_without_an_exchange() {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("a.fossil");
        let options =
            CloneOptions { source: "http://h/".into(), admin: "me".into(), ..CloneOptions::default() };
        let mut setting = Setting::new().unwrap();
        let place = Workplace::take(&target).unwrap();
        let (mut repo, begun) = prepare(&place, &options, &setting).unwrap();
        assert_eq!(begun, Begun::Now);
        let tx = repo.begin().unwrap();
        config::set(&tx, "project-code", &"ab".repeat(20), (setting.clock)()).unwrap();
        tx.commit().unwrap();
        drop(repo);
        place.release();

        let (mut repo, result) = clone(&target, &mut Mock::default(), options, &mut setting).await.unwrap();
        assert!(result.is_resumed);
        assert_eq!(result.sync.project, "ab".repeat(20));
        assert_eq!(config::get(&repo.snapshot().unwrap(), SOURCE).unwrap(), None);
        assert_eq!(std::fs::read_dir(&directory).unwrap().count(), 1);
    }

    #[tokio::test]
    async fn another_source_does_not_take_up_an_interrupted_clone_and_a_failure_at_once_leaves_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("a.fossil");
        let options =
            CloneOptions { source: "http://h/".into(), admin: "me".into(), ..CloneOptions::default() };
        let mut setting = Setting::new().unwrap();
        let failed = clone(&target, &mut Mock::default(), options.clone(), &mut setting).await;
        assert!(matches!(failed, Err(ClientError::Transport(_))));
        assert_eq!(std::fs::read_dir(&directory).unwrap().count(), 0);

        let place = Workplace::take(&target).unwrap();
        drop(prepare(&place, &options, &setting).unwrap());
        place.release();
        let other = CloneOptions { source: "http://other/".into(), ..options };
        let failed = clone(&target, &mut Mock::default(), other, &mut setting).await;
        assert!(matches!(failed, Err(ClientError::File(FileError::OtherSource { .. }))));
    }
}
