//! A repository in memory that is used again and again from one state on: to go back is cheaper than another copy,
//! and SQLite keeps the statements that it prepared.

use crate::tx::Ground;
use crate::{Repo, RepoError};

impl Repo {
    /// Keeps what is committed now, for [`Repo::go_back`]. From here on transactions are savepoints of one that never
    /// ends, so that nothing reaches a file, and nobody else can write. A database that is full takes all of it back:
    /// that is an error of whoever limits it.
    pub fn hold(&mut self) -> Result<(), RepoError> {
        assert!(self.ground == Ground::File, "it is held already");
        self.conn.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        self.ground = Ground::Held;
        Ok(())
    }

    /// Goes back to what was kept by [`Repo::hold`], and keeps it again.
    pub fn go_back(&mut self) -> Result<(), RepoError> {
        assert!(self.ground == Ground::Held, "there is nothing to go back to");
        self.conn.prepare_cached("ROLLBACK")?.execute([])?;
        self.conn.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        self.forget();
        Ok(())
    }

    /// Whether there is something to go back to.
    pub fn is_held(&self) -> bool {
        self.ground == Ground::Held
    }

    /// Asks before each commit whether it may be; one that may not fails, and all of its transaction is undone. None: nobody is
    /// asked any more. What is held is never committed, so that nobody is asked then.
    pub fn ask_before_commits<F>(&mut self, may: Option<F>) -> Result<(), RepoError>
    where
        F: FnMut() -> bool + Send + 'static,
    {
        Ok(self.conn.commit_hook(may.map(|mut may| move || !may()))?)
    }

    /// Forgets what is kept beside the file, as when it is opened anew.
    pub fn forget(&mut self) {
        self.memory.get_mut().forget();
    }
}

#[cfg(test)]
mod tests {
    use crate::{Genesis, Repo, config};

    fn name(repo: &mut Repo) -> Option<String> {
        config::get(&repo.snapshot().unwrap(), "project-name").unwrap()
    }

    fn set(repo: &mut Repo, name: &str) {
        let tx = repo.begin().unwrap();
        config::set(&tx, "project-name", name, Default::default()).unwrap();
        tx.commit().unwrap();
    }

    #[test]
    fn what_is_held_is_gone_back_to_as_often_as_one_likes() {
        let mut repo = Repo::in_memory(&Genesis::default()).unwrap();
        set(&mut repo, "kept");
        repo.hold().unwrap();
        for _ in 0..2 {
            assert_eq!(name(&mut repo).as_deref(), Some("kept"));
            set(&mut repo, "passing");
            assert_eq!(name(&mut repo).as_deref(), Some("passing"));
            repo.begin().unwrap().conn().execute_batch("CREATE TABLE passing(x)").unwrap();
            set(&mut repo, "by");
            repo.go_back().unwrap();
        }
    }

    #[test]
    fn a_commit_that_may_not_be_fails_and_changes_nothing() {
        let mut repo = Repo::in_memory(&Genesis::default()).unwrap();
        set(&mut repo, "kept");
        repo.ask_before_commits(Some(|| false)).unwrap();
        let tx = repo.begin().unwrap();
        config::set(&tx, "project-name", "refused", Default::default()).unwrap();
        assert!(tx.commit().is_err());
        assert_eq!(name(&mut repo).as_deref(), Some("kept"));
        repo.ask_before_commits(None::<fn() -> bool>).unwrap();
        set(&mut repo, "another");
        assert_eq!(name(&mut repo).as_deref(), Some("another"));
    }

    #[test]
    fn a_transaction_that_is_dropped_changes_nothing_in_what_is_held() {
        let mut repo = Repo::in_memory(&Genesis::default()).unwrap();
        repo.hold().unwrap();
        set(&mut repo, "kept");
        let tx = repo.begin().unwrap();
        config::set(&tx, "project-name", "dropped", Default::default()).unwrap();
        drop(tx);
        assert_eq!(name(&mut repo).as_deref(), Some("kept"));
    }
}
