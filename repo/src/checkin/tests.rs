use super::*;
use crate::Repo;
use crate::manifest;
use crate::testing::{number, repo};

fn file(name: &str, content: &str) -> NewFile {
    NewFile { name: name.into(), content: content.as_bytes().to_vec(), ..NewFile::default() }
}

fn day(day: i64) -> UnixTime {
    UnixTime::from_seconds(1_577_836_800 + 86_400 * day)
}

fn make(repo: &mut Repo, new: &NewCheckin) -> Checkin {
    let tx = repo.begin().unwrap();
    let id = commit(&tx, new).unwrap();
    let content = content::get(&tx, blob::rid(&tx, &id).unwrap().unwrap()).unwrap();
    tx.commit().unwrap();
    match manifest::parse(&content) {
        Ok(Artifact::Checkin(checkin)) => checkin,
        other => panic!("{other:?}"),
    }
}

fn id_of(checkin: &Checkin) -> ArtifactId {
    xfer::hash::sha3_256(&manifest::write(&Artifact::Checkin(checkin.clone())))
}

fn shown(tags: &[TagCard]) -> Vec<String> {
    let value = |tag: &TagCard| tag.value.as_ref().map(|value| format!("={value}")).unwrap_or_default();
    tags.iter().map(|tag| format!("{}{}{}", tag.kind.sign() as char, tag.name, value(tag))).collect()
}

fn names(files: &[FileEntry]) -> Vec<String> {
    let old = |file: &FileEntry| file.old_name.as_ref().map(|old| format!("<{old}")).unwrap_or_default();
    files.iter().map(|file| format!("{}{}", file.name, old(file))).collect()
}

fn first() -> NewCheckin {
    NewCheckin {
        files: vec![file("b/c.txt", ""), file("a.txt", "hello\n")],
        comment: "first".into(),
        user: "alice".into(),
        date: day(0),
        ..NewCheckin::default()
    }
}

/// Digest and cards are those of the reference, section 5.4 and 5.5.
#[test]
fn the_first_check_in_begins_the_main_branch() {
    let mut repo = repo();
    let made = make(&mut repo, &first());
    assert_eq!(made.checksum.as_deref(), Some("ce420c241ef4a7e6e8bf1fc9e8731d11"));
    assert_eq!(shown(&made.tags), ["*branch=trunk", "*sym-trunk"]);
    assert_eq!(names(&made.files), ["a.txt", "b/c.txt"]);
    let tx = repo.begin().unwrap();
    assert_eq!(number(&tx, "SELECT count(*) FROM unsent"), 3);
    assert_eq!(number(&tx, "SELECT count(*) FROM unclustered"), 3);
    assert_eq!(number(&tx, "SELECT count(*) FROM rcvfrom WHERE uid=1"), 1);
    assert_eq!(number(&tx, "SELECT count(*) FROM leaf"), 1);
    tx.commit().unwrap();
}

#[test]
fn a_check_in_changes_the_files_of_its_parent() {
    let mut repo = repo();
    let root = id_of(&make(&mut repo, &first()));
    let renamed = NewFile { old_name: Some("a.txt".into()), ..file("z.txt", "hello\n") };
    let next = NewCheckin {
        parent: Some(root),
        files: vec![renamed, file("new.txt", "new")],
        deleted: vec!["b/c.txt".into()],
        branch: Some("side".into()),
        tags: vec!["v1".into()],
        date: day(1),
        ..first()
    };
    let next = make(&mut repo, &next);
    assert_eq!(names(&next.files), ["new.txt", "z.txt<a.txt"]);
    assert_eq!(shown(&next.tags), ["*branch=side", "*sym-side", "+sym-v1", "-sym-trunk"]);
    assert_eq!(next.parents, [root]);
    let last = NewCheckin {
        parent: Some(id_of(&next)),
        merged: vec![root],
        files: Vec::new(),
        branch: Some("side".into()),
        date: day(2),
        ..first()
    };
    let last = make(&mut repo, &last);
    assert_eq!(names(&last.files), ["new.txt", "z.txt"]);
    assert_eq!((shown(&last.tags), last.parents.len()), (vec![], 2));
}

#[test]
fn files_may_swap_their_names() {
    let mut repo = repo();
    let root = id_of(&make(&mut repo, &first()));
    let from = |old: &str, new: NewFile| NewFile { old_name: Some(old.into()), ..new };
    let files = vec![from("a.txt", file("b/c.txt", "hello\n")), from("b/c.txt", file("a.txt", ""))];
    let swapped = make(&mut repo, &NewCheckin { parent: Some(root), files, date: day(1), ..first() });
    assert_eq!(names(&swapped.files), ["a.txt<b/c.txt", "b/c.txt<a.txt"]);
}

#[test]
fn versions_before_become_deltas_and_stay_readable() {
    let mut repo = repo();
    let text = |number: usize| (0..200).map(|line| format!("{} line\n", line * number)).collect::<String>();
    let mut parent = None;
    for number in 0..10 {
        let text = text(7) + &text(number);
        let next =
            NewCheckin { parent, files: vec![file("text", &text)], date: day(number as i64), ..first() };
        parent = Some(id_of(&make(&mut repo, &next)));
    }
    let tx = repo.begin().unwrap();
    assert_eq!(number(&tx, "SELECT count(*) FROM delta JOIN blob USING(rid) WHERE size>1000"), 9);
    tx.commit().unwrap();
}

#[test]
fn what_cannot_be_written_down_is_refused() {
    for (new, expected) in [
        (NewCheckin { files: vec![file("../x", "")], ..first() }, "cannot be written down: card 3"),
        (NewCheckin { files: vec![file(".fslckout", "")], ..first() }, "so that it reads back the same"),
        (NewCheckin { user: "".into(), ..first() }, "so that it reads back the same"),
        (NewCheckin { deleted: vec!["gone".into()], ..first() }, "no file is called"),
        (NewCheckin { branch: Some("x\0y".into()), ..first() }, "so that it reads back the same"),
        (NewCheckin { parent: Some(ArtifactId::sha1([7; 20])), ..first() }, "is not here"),
        (NewCheckin { files: vec![file("a", ""), file("a-b", ""), file("a/b/c", "")], ..first() }, "at once"),
    ] {
        let mut repo = repo();
        let tx = repo.begin().unwrap();
        let error = commit(&tx, &new).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn a_private_check_in_and_its_files_are_private() {
    let mut repo = repo();
    let root = id_of(&make(&mut repo, &first()));
    let files = vec![file("secret", "secret"), file("a.txt", "hello\n")];
    let secret = NewCheckin {
        parent: Some(root),
        files,
        branch: Some("mine".into()),
        privacy: Privacy::Private,
        date: day(1),
        ..first()
    };
    make(&mut repo, &secret);
    let tx = repo.begin().unwrap();
    assert_eq!(number(&tx, "SELECT count(*) FROM private"), 2);
    assert_eq!(number(&tx, "SELECT count(*) FROM unclustered"), 3);
    tx.commit().unwrap();
}

#[test]
fn a_file_of_the_parent_is_no_directory_unless_it_goes() {
    let mut repo = repo();
    let root = id_of(&make(&mut repo, &first()));
    let next = NewCheckin { parent: Some(root), files: vec![file("a.txt/b", "")], date: day(1), ..first() };
    let tx = repo.begin().unwrap();
    assert!(matches!(commit(&tx, &next), Err(AuthorError::FileIsDirectory(name)) if name == "a.txt".into()));
    drop(tx);
    let next = make(&mut repo, &NewCheckin { deleted: vec!["a.txt".into()], ..next });
    assert_eq!(names(&next.files), ["a.txt/b", "b/c.txt"]);
}

#[test]
fn what_is_built_on_a_private_check_in_is_private() {
    let mut repo = repo();
    let root = id_of(&make(&mut repo, &NewCheckin { privacy: Privacy::Private, ..first() }));
    let files = vec![file("a.txt", "more")];
    make(&mut repo, &NewCheckin { parent: Some(root), files, date: day(1), ..first() });
    let tx = repo.begin().unwrap();
    assert_eq!(number(&tx, "SELECT count(*) FROM private"), 5);
    assert_eq!(number(&tx, "SELECT count(*) FROM unclustered"), 0);
    tx.commit().unwrap();
}
