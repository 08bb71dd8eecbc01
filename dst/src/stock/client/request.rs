//! Requests as stock makes them.

use xfer::{Secret, hash};

use super::{Session, igot};
use crate::stock::{Store, Version};

impl Session {
    /// The next request. What is unsent counts as sent from then on, whatever becomes of it.
    pub fn request(&mut self, store: &mut Store) -> Vec<u8> {
        if !self.task.clone {
            return self.compose(store);
        }
        let mut draft = self.draft.take().unwrap_or_else(|| store.clone());
        let request = self.compose(&mut draft);
        self.draft = Some(draft);
        request
    }

    fn compose(&mut self, store: &mut Store) -> Vec<u8> {
        self.round += 1;
        self.theirs.clear();
        let mut out = Vec::new();
        let say = |out: &mut Vec<u8>, line: &str| out.extend_from_slice(line.as_bytes());
        if self.task.private && self.round == 1 {
            say(&mut out, "pragma send-private\n");
        }
        say(&mut out, &format!("pragma client-version {}\n", store.version.pragma()));
        if self.task.private && self.round > 1 {
            say(&mut out, "pragma send-private\n");
        }
        if self.task.clone {
            if self.seqno > 0 {
                say(&mut out, &format!("clone 3 {}\n", self.seqno));
            }
            if self.round == 2 {
                say(&mut out, "reqconfig /all\n");
            }
        } else {
            self.request_sync(store, &mut out);
        }
        let nonce = hash::sha1(format!("{} {}", self.seed, self.round).as_bytes());
        say(&mut out, &format!("# {nonce}\n"));
        self.signed(store, out)
    }

    fn request_sync(&mut self, store: &mut Store, out: &mut Vec<u8>) {
        let say = |out: &mut Vec<u8>, line: &str| out.extend_from_slice(line.as_bytes());
        let codes = format!("{} {}\n", store.code, store.project);
        if self.task.pull {
            say(out, &format!("pull {codes}"));
            if self.task.verily && self.round == 1 {
                say(out, "pragma send-catalog\n");
            }
        }
        if self.task.push {
            say(out, &format!("push {codes}"));
        }
        out.append(&mut self.queued);
        self.asked = false;
        if self.task.pull {
            for name in store.phantoms(self.task.private).into_iter().take(self.gimmes) {
                say(out, &format!("gimme {name}\n"));
                self.asked = true;
            }
            if store.version == Version::V229 && self.round == 3 && self.asked {
                say(out, "pragma req-clusters\n");
            }
        }
        if self.task.push {
            self.request_push(store, out);
        }
        if self.task.unversioned && !self.uv_hash_sent {
            say(out, &format!("pragma uv-hash {}\n", store.files_hash()));
            self.uv_hash_sent = true;
        }
        while let Some((name, with_content)) = self.uv_owed.pop() {
            out.extend_from_slice(&store.uvfile(&name, with_content));
            if out.len() >= store.budgets.1 {
                break;
            }
        }
    }

    fn request_push(&mut self, store: &mut Store, out: &mut Vec<u8>) {
        for name in std::mem::take(&mut store.unsent) {
            let private = store.private.contains(&name);
            if !store.may_leave(&name) || self.theirs.contains(&name) || private && !self.task.private {
                continue;
            }
            if out.len() >= store.budgets.1 {
                out.extend_from_slice(igot(&name, private).as_bytes());
                continue;
            }
            out.extend_from_slice(&store.file_card(&name, self.task.private));
            self.theirs.insert(name);
        }
        let all = self.task.verily && self.round == 1;
        let is_third = store.version == Version::V229 && self.round == 3 && self.files_queued > 0;
        for (_, name) in store.rows_from(1) {
            let listed =
                all || store.unclustered.contains(&name) || is_third && store.clusters.contains(&name);
            let open = store.may_leave(&name) && !store.private.contains(&name);
            if listed && open && !self.theirs.contains(&name) {
                out.extend_from_slice(igot(&name, false).as_bytes());
            }
        }
        // All of it, also what was just sent, phantoms and what is shunned (seen with 2.21).
        if self.task.private {
            store.private.iter().for_each(|name| out.extend_from_slice(igot(name, true).as_bytes()));
        }
    }

    /// Logs in, but in the first round of a clone.
    fn signed(&self, store: &Store, out: Vec<u8>) -> Vec<u8> {
        let Some((user, password)) = self.task.login.as_ref().filter(|_| !self.task.clone || self.round > 1)
        else {
            return out;
        };
        let nonce = hash::sha1(&out);
        let secret = Secret::derive(&store.project, user, password);
        let signature = hash::sha1(format!("{nonce}{}", secret.expose()).as_bytes());
        [format!("login {user} {nonce} {signature}\n").into_bytes(), out].concat()
    }
}
