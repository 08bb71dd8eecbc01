use proptest::collection::{btree_map, btree_set, vec};
use proptest::option::of;
use proptest::prelude::*;

use super::*;
use crate::manifest::{TagKind, parse};

fn text() -> impl Strategy<Value = Text> {
    vec(1..=255_u8, 0..12).prop_map(Text)
}

fn name() -> impl Strategy<Value = Text> {
    "[a-zé]{1,5}( [A-Z]{1,3})?".prop_map(|name| name.as_str().into())
}

/// Components are any bytes but slashes; a letter in front keeps them from being dots or Fossil's own.
fn path() -> impl Strategy<Value = Text> {
    let component = vec(prop_oneof![1..=46_u8, 48..=255_u8], 0..6);
    vec(component, 1..4).prop_map(|components| {
        let components: Vec<Vec<u8>> =
            components.into_iter().map(|tail| [b"n".as_slice(), &tail].concat()).collect();
        Text(components.join(&b'/'))
    })
}

fn id() -> impl Strategy<Value = ArtifactId> {
    prop_oneof![any::<[u8; 20]>().prop_map(ArtifactId::sha1), any::<[u8; 32]>().prop_map(ArtifactId::sha3)]
}

fn hex(digits: usize) -> impl Strategy<Value = String> {
    proptest::string::string_regex(&format!("[0-9a-f]{{{digits}}}")).unwrap()
}

fn time() -> impl Strategy<Value = UnixTime> {
    (-62_000_000_000_000_i64..253_402_300_799_999).prop_map(UnixTime)
}

/// Users have names: the card of an empty one would read back as that of `anonymous`.
fn user() -> impl Strategy<Value = Option<Text>> {
    of(name())
}

fn files(is_delta: bool) -> impl Strategy<Value = Vec<FileEntry>> {
    let perm = prop_oneof![Just(Perm::Regular), Just(Perm::Executable), Just(Perm::Symlink)];
    btree_map(path(), (id(), any::<bool>(), perm, of(path())), 0..5).prop_map(move |files| {
        let entry = |(name, (id, deleted, perm, old_name))| {
            if is_delta && deleted {
                FileEntry { name, id: None, perm: Perm::Regular, old_name: None }
            } else {
                FileEntry { name, id: Some(id), perm, old_name }
            }
        };
        files.into_iter().map(entry).collect()
    })
}

fn tags(
    kinds: Vec<TagKind>,
    targets: BoxedStrategy<Option<ArtifactId>>,
) -> impl Strategy<Value = Vec<TagCard>> {
    let kind = proptest::sample::select(kinds);
    btree_map(("sym-[a-z ]{1,5}", targets), (kind, of(text())), 1..5).prop_map(|tags| {
        let card = |((name, target), (kind, value)): ((String, _), _)| TagCard {
            kind,
            name: name.as_str().into(),
            target,
            value,
        };
        let mut tags: Vec<TagCard> = tags.into_iter().map(card).collect();
        tags.sort_by_key(|tag| (tag.kind.sign(), tag.name.clone(), tag.target));
        tags
    })
}

fn any_kind() -> Vec<TagKind> {
    vec![TagKind::Cancel, TagKind::Add, TagKind::Propagate]
}

fn checkin() -> impl Strategy<Value = Artifact> {
    let cherrypick = (any::<bool>(), id(), of(id())).prop_map(|(pick, target, baseline)| Cherrypick {
        direction: if pick { Direction::Pick } else { Direction::BackOut },
        target,
        baseline,
    });
    let head = of(id()).prop_flat_map(|baseline| (Just(baseline), files(baseline.is_some())));
    let links = (vec(id(), 0..3), vec(cherrypick, 0..3), of(hex(32)));
    (head, text(), time(), of(text()), links, tags(any_kind(), of(id()).boxed()), user()).prop_map(
        |((baseline, files), comment, date, mimetype, (parents, cherrypicks, checksum), tags, user)| {
            Artifact::Checkin(Checkin {
                baseline,
                comment: Some(comment),
                date,
                files,
                mimetype,
                parents,
                cherrypicks,
                checksum,
                tags,
                user,
            })
        },
    )
}

fn control() -> impl Strategy<Value = Artifact> {
    (time(), tags(any_kind(), id().prop_map(Some).boxed()), name())
        .prop_map(|(date, tags, user)| Artifact::Control(Control { date, tags, user: Some(user) }))
}

fn wiki() -> impl Strategy<Value = Artifact> {
    (of(text()), time(), name(), of(text()), vec(id(), 0..3), name(), text()).prop_map(
        |(comment, date, title, mimetype, parents, user, text)| {
            Artifact::Wiki(Wiki { comment, date, title, mimetype, parents, user: Some(user), text })
        },
    )
}

fn ticket() -> impl Strategy<Value = Artifact> {
    let fields = btree_map("\\+?[a-z]{1,5}", text(), 1..5).prop_map(|fields| {
        let field = |(name, value): (String, Text)| TicketField {
            append: name.starts_with('+'),
            name: name.trim_start_matches('+').into(),
            value,
        };
        fields.into_iter().map(field).collect::<Vec<_>>()
    });
    (time(), fields, hex(40), name()).prop_map(|(date, fields, ticket, user)| {
        Artifact::Ticket(TicketChange { date, fields, ticket, user: Some(user) })
    })
}

fn attachment() -> impl Strategy<Value = Artifact> {
    let target = prop_oneof![name(), hex(40).prop_map(|hex| hex.as_str().into())];
    (name(), target, of(id()), of(text()), time(), of(text()), user()).prop_map(
        |(filename, target, source, comment, date, mimetype, user)| {
            Artifact::Attachment(Attachment { filename, target, source, comment, date, mimetype, user })
        },
    )
}

fn technote() -> impl Strategy<Value = Artifact> {
    let head = (of(text()), time(), time(), hex(64));
    (head, of(text()), vec(id(), 0..3), tags(vec![TagKind::Add], Just(None).boxed()), user(), text())
        .prop_map(|((comment, date, time, technote), mimetype, parents, tags, user, text)| {
            Artifact::Technote(Technote {
                comment,
                date,
                time,
                technote,
                mimetype,
                parents,
                tags,
                user,
                text,
            })
        })
}

fn forum() -> impl Strategy<Value = Artifact> {
    let place = prop_oneof![
        (of(id()), text()).prop_map(|(root, title)| (root, Some(title), None)),
        (id(), id()).prop_map(|(root, parent)| (Some(root), None, Some(parent))),
    ];
    (time(), place, of(text()), of(id()), name(), text()).prop_map(
        |(date, (root, title, in_reply_to), mimetype, parent, user, text)| {
            Artifact::Forum(ForumPost {
                date,
                root,
                title,
                in_reply_to,
                mimetype,
                parent,
                user: Some(user),
                text,
            })
        },
    )
}

fn cluster() -> impl Strategy<Value = Artifact> {
    btree_set(id(), 1..6).prop_map(|members| Artifact::Cluster(members.into_iter().collect()))
}

fn artifact() -> impl Strategy<Value = Artifact> {
    prop_oneof![checkin(), cluster(), control(), wiki(), ticket(), attachment(), technote(), forum()]
}

proptest! {
    #[test]
    fn a_written_artifact_reads_back(artifact in artifact()) {
        let bytes = write(&artifact);
        prop_assert_eq!(parse(&bytes), Ok(artifact), "{}", String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn a_changed_byte_is_noticed(artifact in artifact(), at in any::<prop::sample::Index>(), flip in 1..=255_u8) {
        let mut bytes = write(&artifact);
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        prop_assert!(parse(&bytes).is_err());
    }

    #[test]
    fn any_bytes_parse_or_not_without_a_panic(bytes in vec(any::<u8>(), 0..200)) {
        let _ = parse(&bytes);
    }
}

/// After section 5.5 of the reference.
#[test]
fn a_manifest_is_written_as_stock_writes_it() {
    let hello =
        ArtifactId::from_hex(b"b314e28493eae9dab57ac4f0c6d887bddbbeb810e900d818395ace558e96516d").unwrap();
    let propagate = |name: &str, value: Option<&str>| TagCard {
        kind: TagKind::Propagate,
        name: name.into(),
        target: None,
        value: value.map(Text::from),
    };
    let bytes = write(&Artifact::Checkin(Checkin {
        comment: Some("first one".into()),
        date: UnixTime::from_seconds(1_577_836_800),
        files: vec![FileEntry {
            name: "a b.txt".into(),
            id: Some(hello),
            perm: Perm::Regular,
            old_name: Some("c.txt".into()),
        }],
        checksum: Some("19099954149cf99f21b77ca980f071ee".to_owned()),
        tags: vec![propagate("branch", Some("trunk")), propagate("sym-trunk", None)],
        user: Some("alice".into()),
        ..Checkin::default()
    }));
    let text = String::from_utf8(bytes).unwrap();
    let (cards, seal) = text.split_at(text.len() - 35);
    assert_eq!(
        cards,
        "C first\\sone\n\
         D 2020-01-01T00:00:00.000\n\
         F a\\sb.txt b314e28493eae9dab57ac4f0c6d887bddbbeb810e900d818395ace558e96516d w c.txt\n\
         R 19099954149cf99f21b77ca980f071ee\n\
         T *branch * trunk\n\
         T *sym-trunk *\n\
         U alice\n"
    );
    assert!(seal.starts_with("Z "));
}
