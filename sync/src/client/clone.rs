//! A new file from a remote repository, resumed where the last try stopped.

use std::path::Path;

use repo::{Genesis, Repo, RepoError, Tx, UnixTime, config, partial, private, user, verify};
use xfer::login::Secret;

use super::workplace::{self, FileError, Workplace};
use super::{ClientError, Remember, Setting, beside_sessions, blocking, remembered, run};
use crate::{CloneVersion, Session, SyncError, SyncOptions, SyncResult, Transport};

/// What to clone, and what the new file starts from.
#[derive(Clone, Default)]
pub struct CloneOptions {
    /// Login, and whether private artifacts are asked for.
    pub session: SyncOptions,
    /// Kind of clone to ask for; the newest unless a peer is to be tried with an older one.
    pub version: CloneVersion,
    /// Names what is cloned: an interrupted clone is taken up only by a clone of the same source.
    pub source: String,
    /// Whether the file is to know where it came from.
    pub remember: Remember,
    /// Server code of the new file: 40 hex digits.
    pub server: String,
    /// Its first user, who gets capability `s` (set-up): that of the run that makes the clone whole.
    pub admin: String,
    /// That user's password.
    pub admin_password: String,
    /// Who else may log in to the new file, unless such a user came with the configuration.
    pub guest: Option<Guest>,
}

impl std::fmt::Debug for CloneOptions {
    /// Without the password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CloneOptions")
            .field("session", &self.session)
            .field("version", &self.version)
            .field("source", &self.source)
            .field("remember", &self.remember)
            .field("server", &self.server)
            .field("admin", &self.admin)
            .field("admin_password", &"..")
            .field("guest", &self.guest)
            .finish()
    }
}

/// A user of a new file beside the first one.
#[derive(Clone, PartialEq, Eq)]
pub struct Guest {
    /// Name; not that of the first user.
    pub login: String,
    /// Password.
    pub password: String,
    /// Capability letters.
    pub capabilities: String,
}

/// Without the password.
impl std::fmt::Debug for Guest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Guest").field(&self.login).field(&self.capabilities).finish()
    }
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

/// Names the first user that the file has so far: a later run may want another one. Goes with [`SOURCE`].
const ADMIN: &str = "frond-clone-admin";

/// Says that a run logged in: what came with a login is not for everyone. Goes with [`SOURCE`].
const LOGIN: &str = "frond-clone-login";

/// Names the run of the machine in which the file was last written to. Goes with [`SOURCE`].
const BOOT: &str = "frond-clone-boot";

/// Where the system does not name its runs, and each commit waited for the disk.
const ANY_BOOT: &str = "any";

/// Says that the peer gives this user nothing private, as far as the clone came. Goes with [`SOURCE`].
const NO_PRIVATE: &str = "frond-clone-no-private";

/// What a whole clone does not have.
const MARKS: [&str; 5] = [SOURCE, ADMIN, LOGIN, BOOT, NO_PRIVATE];

/// Clones into a new file at `target`. Until the clone is whole it is under another name ([`super::work_file`]);
/// interrupted in any way but by a restart or failure of the machine, or of the disk, it is taken up by the next call with the same source and target.
/// Where the peer refuses private artifacts and gave none yet, that call may also do without them.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use repo::{Genesis, Repo};
/// use sync::client::{self, CloneOptions, Setting};
/// use sync::http::{HttpOptions, HttpTransport, serve};
///
/// # let directory = tempfile::tempdir()?;
/// # let (target, theirs) = (directory.path().join("project.fossil"), directory.path().join("theirs.fossil"));
/// # let (project, server) = ("ab".repeat(20), "cd".repeat(20));
/// # Repo::create(&theirs, &Genesis { project, server, public: "go".into(), ..Genesis::default() })?;
/// # let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
/// # let url = format!("http://{}/", listener.local_addr()?);
/// # let service = serve::XferService::new(serve::Repos::new(&theirs)?, serve::ServeOptions::default());
/// # tokio::spawn(serve::run(listener, service, std::future::pending()));
/// let mut transport = HttpTransport::new(url.parse()?, HttpOptions::default());
/// let options = CloneOptions {
///     source: url,
///     server: "ef".repeat(20), // 40 hex digits, made at random
///     admin: "me".into(),
///     admin_password: "correct horse".into(),
///     ..CloneOptions::default()
/// };
/// let (mut repo, result) = client::clone(&target, &mut transport, options, &mut Setting::new()?).await?;
/// assert_eq!(result.sync.project, "ab".repeat(20));
/// assert_eq!(repo::config::server_code(&repo.snapshot()?)?, Some("ef".repeat(20)));
/// # Ok(())
/// # }
/// ```
pub async fn clone<T: Transport>(
    target: &Path,
    transport: &mut T,
    options: CloneOptions,
    setting: &mut Setting,
) -> Result<(Repo, CloneResult), ClientError> {
    let place = beside_sessions(blocking(|| Workplace::take(target)), OPERATION, setting)?;
    let (result, begun) = fill(&place, transport, &options, setting).await?;
    let published = blocking(|| publish(place, target));
    let (repo, server) = beside_sessions(published, OPERATION, setting)?;
    Ok((repo, CloneResult { sync: result, server, is_resumed: begun != Begun::Now }))
}

/// What observers are told that is done.
const OPERATION: &str = "clone";

/// Gives a whole clone its name. Gives the repository, and its server code.
fn publish(place: Workplace, target: &Path) -> Result<(Repo, String), ClientError> {
    place.publish()?;
    let mut repo = Repo::open(target)?;
    let tx = repo.begin()?;
    for mark in MARKS {
        config::unset(&tx, mark)?;
    }
    let server = config::server_code(&tx)?.unwrap_or_default();
    tx.commit()?;
    Ok((repo, server))
}

/// How far the work had come when it was taken up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Begun {
    Now,
    Earlier,
    /// Everything is in; only the name is missing.
    Whole,
}

/// Makes the work whole. Failed or dropped, it is left to be taken up, unless nothing came yet.
async fn fill<T: Transport>(
    place: &Workplace,
    transport: &mut T,
    options: &CloneOptions,
    setting: &mut Setting,
) -> Result<(SyncResult, Begun), ClientError> {
    let prepared = blocking(|| prepare(place, options, setting));
    let (repo, begun) = beside_sessions(prepared, OPERATION, setting)?;
    let session = Session::clone_into(options.session.clone(), setting.seed).asking_for(options.version);
    let mut attempt = Attempt { place, begun, session, is_empty: false, is_lost: false };
    // Declared after the attempt, the repository is closed before the attempt may remove its file.
    let mut repo = repo;
    if begun != Begun::Whole {
        let ran = run(&mut attempt.session, &mut repo, transport, setting).await;
        if options.session.private && ran.as_ref().is_err_and(is_about_private) {
            blocking(|| note_no_private(&mut repo, (setting.clock)()))?;
        }
        attempt.is_empty = ran.is_err() && blocking(|| holds_nothing(&mut repo)).unwrap_or(false);
        ran?;
    }
    let finished = blocking(|| finish(&mut repo, transport, options, setting));
    let project = beside_sessions(finished, OPERATION, setting)?;
    let on_disk = blocking(|| repo.calm());
    // What the disk did not take once may seem to be there the next time: nothing of it counts.
    attempt.is_lost = on_disk.is_err();
    beside_sessions(on_disk, OPERATION, setting)?;
    attempt.begun = Begun::Whole;
    Ok((SyncResult { project, ..attempt.session.result() }, begun))
}

fn is_about_private(error: &ClientError) -> bool {
    matches!(error, ClientError::Sync(SyncError::Refused(said)) if said.contains("private"))
}

/// Notes that a clone without private artifacts may go on from here.
fn note_no_private(repo: &mut Repo, now: UnixTime) -> Result<(), RepoError> {
    let tx = repo.begin()?;
    if !private::any(&tx)? {
        config::set(&tx, NO_PRIVATE, "1", now)?;
    }
    tx.commit()
}

/// Whether nothing of what came was kept: a refusal may come together with artifacts.
fn holds_nothing(repo: &mut Repo) -> Result<bool, RepoError> {
    let sql = "SELECT NOT EXISTS(SELECT 1 FROM blob)";
    Ok(repo.snapshot()?.conn().query_row(sql, (), |row| row.get(0))?)
}

/// A session that fills a work. Dropped before anything came, it leaves no work behind.
struct Attempt<'p> {
    place: &'p Workplace,
    begun: Begun,
    session: Session,
    /// The session failed, and the work holds nothing.
    is_empty: bool,
    /// The work could not be put on the disk.
    is_lost: bool,
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        let none_came = self.begun == Begun::Now && self.session.result().stats.files_received == 0;
        if none_came || self.is_empty || self.is_lost {
            let _ = self.place.clear();
        }
    }
}

/// Opens the interrupted clone, or begins one.
fn prepare(
    place: &Workplace,
    options: &CloneOptions,
    setting: &Setting,
) -> Result<(Repo, Begun), ClientError> {
    let wanted = identity(options);
    let boot = workplace::boot();
    let named = boot.as_deref().unwrap_or(ANY_BOOT);
    if let Some((mut repo, source)) = interrupted(place.work(), named)? {
        hurry(&mut repo, boot.as_deref())?;
        if source == wanted || has_only(&mut repo, &source, &wanted)? {
            let begun = how_far(&mut repo)?;
            let tx = repo.begin()?;
            config::set(&tx, SOURCE, &wanted, (setting.clock)())?;
            config::unset(&tx, NO_PRIVATE)?;
            mark_login(&tx, options, (setting.clock)())?;
            tx.commit()?;
            return Ok((repo, begun));
        }
        let (file, private) = (place.work().to_owned(), source.ends_with(WITH_PRIVATE));
        let source_url = source.trim_end_matches(WITH_PRIVATE).to_owned();
        return Err(FileError::OtherSource { file, source_url, private }.into());
    }
    place.clear()?;
    let now = (setting.clock)();
    let (server, user) = (options.server.clone(), options.admin.clone());
    let genesis = Genesis { server, user, now, ..Genesis::default() };
    let mut repo = Repo::create(place.work(), &genesis)?;
    hurry(&mut repo, boot.as_deref())?;
    let tx = repo.begin()?;
    config::set(&tx, SOURCE, &wanted, now)?;
    config::set(&tx, BOOT, named, now)?;
    config::set(&tx, ADMIN, &options.admin, now)?;
    mark_login(&tx, options, now)?;
    tx.commit()?;
    Ok((repo, Begun::Now))
}

/// Waits for the disk only where it could not be told later whether the machine failed.
fn hurry(repo: &mut Repo, boot: Option<&str>) -> Result<(), RepoError> {
    if boot.is_some() { repo.hurry() } else { Ok(()) }
}

/// Whether the work of a clone with private artifacts, which were refused, has only what `wanted` is to have.
fn has_only(repo: &mut Repo, source: &str, wanted: &str) -> Result<bool, RepoError> {
    let is_same = source.strip_suffix(WITH_PRIVATE) == Some(wanted);
    Ok(is_same && config::get(&repo.snapshot()?, NO_PRIVATE)?.is_some())
}

fn mark_login(tx: &Tx<'_>, options: &CloneOptions, now: UnixTime) -> Result<(), RepoError> {
    if options.session.user.is_none() {
        return Ok(());
    }
    config::set(tx, LOGIN, "1", now)
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

/// The unfinished clone at `work` and its source. A file that does not say its source has nothing in it yet; one that may
/// have lost something counts as not there: all of it comes again.
fn interrupted(work: &Path, boot: &str) -> Result<Option<(Repo, String)>, ClientError> {
    match resumable(work, boot) {
        Ok(found) => Ok(found),
        Err(RepoError::NotFound { .. } | RepoError::NotARepository { .. }) => Ok(None),
        Err(
            error @ (RepoError::Corrupt { .. } | RepoError::OtherSchema { .. } | RepoError::Sqlite { .. }),
        ) => {
            tracing::warn!(file = %work.display(), "begins anew, as the interrupted clone is damaged: {error}");
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

fn resumable(work: &Path, boot: &str) -> Result<Option<(Repo, String)>, RepoError> {
    let mut repo = Repo::open(work)?;
    let snap = repo.snapshot()?;
    let Some(source) = config::get(&snap, SOURCE)? else { return Ok(None) };
    if config::get(&snap, BOOT)?.as_deref() != Some(boot) {
        tracing::warn!(file = %work.display(), "begins anew, as the interrupted clone is of another run of the machine");
        return Ok(None);
    }
    if let Some(reason) = verify::damaged_pages(&snap)?.into_iter().next() {
        return Err(RepoError::Corrupt { path: work.into(), reason });
    }
    drop(snap);
    Ok(Some((repo, source)))
}

/// A clone with private artifacts is another one than a clone without.
fn identity(options: &CloneOptions) -> String {
    let suffix = if options.session.private { WITH_PRIVATE } else { "" };
    format!("{}{suffix}", options.source)
}

const WITH_PRIVATE: &str = " (with private artifacts)";

/// What only a whole clone has: a user with a password, which needs the project code. Gives that code.
///
/// The marks of ours stay until the file has its name, so that the work is known again if we are killed here.
fn finish<T: Transport>(
    repo: &mut Repo,
    transport: &T,
    options: &CloneOptions,
    setting: &Setting,
) -> Result<String, ClientError> {
    remembered::store(repo, transport, &options.session, options.remember, (setting.clock)())?;
    let project = config::project_code(&repo.snapshot()?)?.unwrap_or_default();
    let tx = repo.begin()?;
    settle_admin(&tx, options, &project, (setting.clock)())?;
    settle_guest(&tx, options, &project, (setting.clock)())?;
    settle_nobody(&tx, (setting.clock)())?;
    user::stamp(&tx, (setting.clock)())?;
    tx.commit()?;
    Ok(project)
}

/// The first user of an earlier run, who never had a password, becomes that of this one.
fn settle_admin(tx: &Tx<'_>, options: &CloneOptions, project: &str, now: UnixTime) -> Result<(), RepoError> {
    let admin = &options.admin;
    if let Some(earlier) = config::get(tx, ADMIN)?.filter(|earlier| earlier != admin) {
        if user::find(tx, admin)?.is_some() {
            // It came with the configuration.
            user::remove(tx, &earlier)?;
        } else {
            user::rename(tx, &earlier, admin, now)?;
        }
        config::set(tx, ADMIN, admin, now)?;
    }
    user::set_capabilities(tx, admin, "s", now)?;
    let secret = Secret::derive(project, admin, &options.admin_password);
    let is_there = user::set_password(tx, admin, &secret, now)?;
    assert!(is_there, "the first user was made just now");
    Ok(())
}

/// Lets the guest in. Who came with the configuration is there as their own server knows them.
fn settle_guest(tx: &Tx<'_>, options: &CloneOptions, project: &str, now: UnixTime) -> Result<(), RepoError> {
    let Some(Guest { login, password, capabilities }) = &options.guest else { return Ok(()) };
    if user::find(tx, login)?.is_some() {
        return Ok(());
    }
    user::set_capabilities(tx, login, capabilities, now)?;
    user::set_password(tx, login, &Secret::derive(project, login, password), now)?;
    Ok(())
}

/// What nobody may do in the new file. What everyone may clone may be cloned on, with the capabilities that
/// stock gives; what took a login, in whichever run, is not opened to everyone.
fn settle_nobody(tx: &Tx<'_>, now: UnixTime) -> Result<(), RepoError> {
    let public = if config::get(tx, LOGIN)?.is_none() { "gjorz" } else { "" };
    user::set_capabilities(tx, user::NOBODY, public, now)
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
        drop(place);

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
        drop(place);
        let other = CloneOptions { source: "http://other/".into(), ..options };
        let failed = clone(&target, &mut Mock::default(), other, &mut setting).await;
        assert!(matches!(failed, Err(ClientError::File(FileError::OtherSource { .. }))));
    }

    /// A run as `user` that ends when the project is known; nothing is missing but the name.
    fn leave_nameless(target: &Path, options: &CloneOptions) {
        let setting = Setting::new().unwrap();
        let place = Workplace::take(target).unwrap();
        let (mut repo, _) = prepare(&place, options, &setting).unwrap();
        let tx = repo.begin().unwrap();
        config::set(&tx, "project-code", &"ab".repeat(20), (setting.clock)()).unwrap();
        tx.commit().unwrap();
        drop(repo);
        drop(place);
    }

    #[test]
    fn a_clone_that_may_have_lost_something_is_not_taken_up() {
        let lost = |harm: &dyn Fn(&Path)| {
            let directory = tempfile::tempdir().unwrap();
            let target = directory.path().join("a.fossil");
            let options = run_as(None, "me");
            leave_nameless(&target, &options);
            let place = Workplace::take(&target).unwrap();
            harm(place.work());
            let (_, begun) = prepare(&place, &options, &Setting::new().unwrap()).unwrap();
            begun == Begun::Now
        };
        assert!(!lost(&|_| ()), "nothing happened to it");
        let boot = |value: Option<&str>| {
            let value = value.map(str::to_owned);
            move |work: &Path| {
                let mut repo = Repo::open(work).unwrap();
                let tx = repo.begin().unwrap();
                match &value {
                    Some(value) => config::set(&tx, BOOT, value, UnixTime::default()).unwrap(),
                    None => config::unset(&tx, BOOT).unwrap(),
                };
                tx.commit().unwrap();
            }
        };
        assert!(lost(&boot(Some("that of another day"))));
        assert!(lost(&boot(None)));
        // In the page of the schema, and in another.
        for place in [100..4096, 3 * 4096..4 * 4096] {
            assert!(lost(&|work| {
                let mut bytes = std::fs::read(work).unwrap();
                bytes[place.clone()].fill(0xa5);
                std::fs::write(work, bytes).unwrap();
            }));
        }
    }

    fn run_as(login: Option<&str>, admin: &str) -> CloneOptions {
        CloneOptions {
            session: SyncOptions { user: login.map(str::to_owned), ..SyncOptions::default() },
            source: "http://h/".into(),
            admin: admin.into(),
            admin_password: format!("password of {admin}"),
            ..CloneOptions::default()
        }
    }

    #[test]
    fn what_a_clone_starts_from_is_shown_without_its_password() {
        let options = run_as(None, "me");
        assert!(!format!("{options:?}").contains(&options.admin_password));
    }

    #[tokio::test]
    async fn the_last_run_decides_who_may_log_in_and_a_login_in_any_run_keeps_nobody_out() {
        let (open, shut) = ("gjorz", "");
        let cases = [
            (run_as(None, "me"), run_as(None, "me"), open),
            (run_as(None, "me"), run_as(None, "alice"), open),
            (run_as(None, "me"), run_as(Some("bob"), "bob"), shut),
            (run_as(Some("bob"), "bob"), run_as(None, "me"), shut),
        ];
        for (first, last, nobody) in cases {
            let directory = tempfile::tempdir().unwrap();
            let target = directory.path().join("a.fossil");
            leave_nameless(&target, &first);
            let mut setting = Setting::new().unwrap();
            let (mut repo, _) =
                clone(&target, &mut Mock::default(), last.clone(), &mut setting).await.unwrap();
            let snap = repo.snapshot().unwrap();
            let admin = user::find(&snap, &last.admin).unwrap().unwrap();
            let secret = Secret::derive(&"ab".repeat(20), &last.admin, &last.admin_password);
            assert_eq!((admin.password.as_str(), admin.capabilities.as_str()), (secret.expose(), "s"));
            if first.admin != last.admin {
                assert_eq!(user::find(&snap, &first.admin).unwrap(), None, "{}", first.admin);
            }
            assert_eq!(user::find(&snap, user::NOBODY).unwrap().unwrap().capabilities, nobody);
            for mark in MARKS {
                assert_eq!(config::get(&snap, mark).unwrap(), None);
            }
        }
    }
}
