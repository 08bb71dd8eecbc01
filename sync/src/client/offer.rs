//! Whether a server lets itself be cloned.

use repo::{Genesis, Repo, config};

use super::{ClientError, Setting, absorb, blocking, compose, read};
use crate::{Progress, Session, SyncOptions, Transport};

/// Begins a clone as far as the server must show that it lets us, and keeps nothing of it. Gives the project code.
///
/// A server that does not let the user `nobody` clone hears the login in the second request only: the project code goes into it.
pub async fn try_clone<T: Transport>(
    transport: &mut T,
    options: SyncOptions,
    setting: &mut Setting,
) -> Result<String, ClientError> {
    let genesis = Genesis { now: (setting.clock)(), ..Genesis::default() };
    let mut repo = blocking(|| Repo::in_memory(&genesis))?;
    let rounds = if options.password.is_some() { 2 } else { 1 };
    let mut session = Session::clone_into(options, setting.seed);
    for _ in 0..rounds {
        let request = blocking(|| compose(&mut session, &mut repo, setting))?;
        let reply = transport.exchange(request).await?;
        let message = blocking(|| read(&mut session, reply, setting))?;
        if blocking(|| absorb(&mut session, &mut repo, &message, setting))? == Progress::Done {
            break;
        }
    }
    Ok(config::project_code(&repo.snapshot()?)?.unwrap_or_default())
}
