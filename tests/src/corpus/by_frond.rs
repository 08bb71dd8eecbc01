//! Frond as the author of a repository: the same histories, with everything that happens around check-ins.

use std::error::Error;
use std::path::Path;

use repo::checkin::{self, NewCheckin, NewFile};
use repo::manifest::{
    Attachment, Control, ForumPost, Perm, TagCard, TagKind, Technote, TicketChange, TicketField, Wiki,
};
use repo::{Genesis, Repo, Text, Tx, UnixTime, author};
use xfer::ArtifactId;
use xfer::card::Privacy;

use super::PROJECT;
use super::history::{Checkin, History, Mode, Shape};

/// Check-ins of one transaction.
const BATCH: usize = 50;
/// Something other than a check-in happens after every so many of them.
const EVENT_EVERY: usize = 10;

/// Makes an empty repository which everybody may clone and pull. `dev` with password `pw` is its set-up user.
pub fn create(file: &Path) -> Result<Repo, Box<dyn Error>> {
    let genesis = Genesis {
        project: PROJECT.to_owned(),
        server: "f20d".repeat(10),
        user: "dev".to_owned(),
        password: Some("pw".to_owned()),
        public: "go".to_owned(),
        now: UnixTime::from_seconds(super::history::START_SECONDS),
    };
    Ok(Repo::create(file, &genesis)?)
}

/// Adds the next `count` check-ins of a history to a repository that holds its first ones, or none.
/// Says how many it holds then.
pub fn add(repo: &mut Repo, seed: u64, files: usize, count: usize) -> Result<usize, Box<dyn Error>> {
    let mut author = Author { ids: present(repo)? };
    let before = author.ids.len();
    let mut history = History::new(Shape { checkins: before + count, files, seed });
    for _ in 0..before {
        history.next();
    }
    loop {
        let tx = repo.begin()?;
        for _ in 0..BATCH {
            let Some(checkin) = history.next() else {
                tx.commit()?;
                return Ok(author.ids.len());
            };
            author.checkin(&tx, &history, &checkin)?;
        }
        tx.commit()?;
    }
}

/// The check-ins there are, in the order of the history, which is that of their times.
fn present(repo: &mut Repo) -> Result<Vec<ArtifactId>, Box<dyn Error>> {
    let snap = repo.snapshot()?;
    let sql = "SELECT uuid FROM event JOIN blob ON rid=objid WHERE event.type='ci' ORDER BY event.mtime";
    let mut statement = snap.conn().prepare(sql)?;
    let names = statement.query_map((), |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
    names.iter().map(|name| Ok(name.parse()?)).collect()
}

struct Author {
    ids: Vec<ArtifactId>,
}

impl Author {
    fn checkin(&mut self, tx: &Tx<'_>, history: &History, checkin: &Checkin) -> Result<(), Box<dyn Error>> {
        let text = |text: &String| Text::from(text.as_str());
        let new = NewCheckin {
            parent: checkin.parent.map(|parent| self.ids[parent]),
            merged: checkin.merged.iter().map(|merged| self.ids[*merged]).collect(),
            files: files(history, checkin),
            deleted: checkin.deleted.iter().map(text).collect(),
            comment: text(&checkin.comment),
            user: text(&checkin.user),
            branch: checkin.begins_branch.then(|| text(&checkin.branch)),
            tags: checkin.tag.iter().map(text).collect(),
            date: UnixTime::from_seconds(checkin.seconds),
            privacy: Privacy::Public,
        };
        let id = checkin::commit(tx, &new)?;
        self.ids.push(id);
        if checkin.index % EVENT_EVERY == EVENT_EVERY - 1 {
            event(tx, checkin, id)?;
        }
        Ok(())
    }
}

fn files(history: &History, checkin: &Checkin) -> Vec<NewFile> {
    let tree = history.files(&checkin.branch).expect("a check-in is on a branch");
    let old_name =
        |name: &String| checkin.renamed.iter().find(|(_, new)| *new == name).map(|(old, _)| old.as_str());
    let names = checkin
        .changed
        .keys()
        .chain(checkin.renamed.values().filter(|new| !checkin.changed.contains_key(*new)));
    names
        .filter_map(|name| {
            // A file that was changed first and then deleted is not in the tree.
            let file = checkin.changed.get(name).or_else(|| tree.get(name))?;
            let perm = match file.mode {
                Mode::Plain => Perm::Regular,
                Mode::Executable => Perm::Executable,
                Mode::Link => Perm::Symlink,
            };
            let (name, old_name) = (Text::from(name.as_str()), old_name(name).map(Text::from));
            Some(NewFile { name, content: file.body.bytes(), perm, old_name })
        })
        .collect()
}

/// What people do between check-ins, each kind in its turn.
fn event(tx: &Tx<'_>, checkin: &Checkin, id: ArtifactId) -> Result<(), Box<dyn Error>> {
    let number = checkin.index / EVENT_EVERY;
    let date = UnixTime::from_seconds(checkin.seconds + 10);
    let user = Some(Text::from(checkin.user.as_str()));
    let text = |words: String| Text(words.into_bytes());
    match number % 6 {
        0 => author::wiki(
            tx,
            Wiki {
                comment: None,
                date,
                title: text(format!("Page {}", number % 4)),
                mimetype: Some("text/x-markdown".into()),
                parents: Vec::new(),
                user,
                text: text(format!("# As of [{}]\n\n{}\n", id.short(), checkin.comment)),
            },
        ),
        1 => author::ticket(
            tx,
            TicketChange {
                date,
                fields: [("title", checkin.comment.clone()), ("status", "Open".to_owned())]
                    .map(|(name, value)| TicketField { name: name.into(), append: false, value: text(value) })
                    .to_vec(),
                ticket: format!("{number:040x}"),
                user,
            },
        ),
        2 => author::tags(
            tx,
            Control {
                date,
                tags: vec![TagCard {
                    kind: TagKind::Add,
                    name: "reviewed".into(),
                    target: Some(id),
                    value: Some(text(checkin.user.clone())),
                }],
                user,
            },
        ),
        3 => author::technote(
            tx,
            Technote {
                comment: Some(text(format!("Week {number}"))),
                date,
                time: date,
                technote: format!("{number:040x}"),
                mimetype: None,
                parents: Vec::new(),
                tags: Vec::new(),
                user,
                text: text(format!("{} check-ins so far.\n", checkin.index + 1)),
            },
        ),
        4 => author::attach(
            tx,
            Attachment {
                filename: text(format!("log-{number}.txt")),
                target: "Page 0".into(),
                source: None,
                comment: None,
                date,
                mimetype: None,
                user,
            },
            checkin.comment.as_bytes(),
        ),
        _ => author::post(
            tx,
            ForumPost {
                date,
                root: None,
                title: Some(text(format!("About {}", id.short()))),
                in_reply_to: None,
                mimetype: None,
                parent: None,
                user,
                text: text(checkin.comment.clone()),
            },
        ),
    }?;
    Ok(())
}
