//! Groups of configuration, as stock names them, and what belongs to which.

/// What of the configuration is asked for, or brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// Name, description, file name patterns and the like.
    Project,
    /// Looks of the web pages.
    Skin,
    /// The style sheet, a part of the skin.
    Css,
    /// Columns, pages and reports of tickets.
    Ticket,
    /// Users, with the secrets that they log in with.
    User,
    /// Addresses that tickets show as hashes.
    Email,
    /// Names of artifacts that are not to be held.
    Shun,
    /// Scripts that stock runs at a sync.
    Xfer,
    /// Redirections of the web server.
    Alias,
    /// Who gets notified by mail.
    Subscriber,
    /// Prefixes of links to other wikis.
    Interwiki,
    /// Everything.
    All,
}

/// Groups and their names, each a bit of [`Groups`] by its place.
const NAMES: [(Group, &str); 11] = [
    (Group::Project, "project"),
    (Group::Skin, "skin"),
    (Group::Css, "css"),
    (Group::Ticket, "ticket"),
    (Group::User, "user"),
    (Group::Email, "email"),
    (Group::Shun, "shun"),
    (Group::Xfer, "xfer"),
    (Group::Alias, "alias"),
    (Group::Subscriber, "subscriber"),
    (Group::Interwiki, "interwiki"),
];

impl Group {
    /// Every group.
    pub fn every() -> impl Iterator<Item = Self> {
        NAMES.into_iter().map(|(group, _)| group).chain([Self::All])
    }

    /// The group of a name, without its slash.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::every().find(|group| group.name() == name)
    }

    /// The name, which on the wire has a slash before it.
    pub fn name(self) -> &'static str {
        NAMES.into_iter().find(|(group, _)| *group == self).map_or("all", |(_, name)| name)
    }
}

/// A set of groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Groups(u16);

impl From<Group> for Groups {
    fn from(group: Group) -> Self {
        match NAMES.iter().position(|(other, _)| *other == group) {
            Some(place) => Self(1 << place),
            None => Self((1 << NAMES.len()) - 1),
        }
    }
}

impl Groups {
    /// None.
    pub const NONE: Self = Self(0);

    /// Both sets together.
    #[must_use]
    pub fn with(self, other: impl Into<Self>) -> Self {
        Self(self.0 | other.into().0)
    }

    /// The set without another.
    #[must_use]
    pub fn without(self, other: impl Into<Self>) -> Self {
        Self(self.0 & !other.into().0)
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether the sets have a group in common.
    pub fn meets(self, other: impl Into<Self>) -> bool {
        self.0 & other.into().0 != 0
    }
}

/// Settings that travel, in the order of stock 2.21, and the groups that they belong to. `th1-setup` and
/// `tcl-setup`, which stock 2.21 runs at once, stay where they are, as in stock 2.29.
const SETTINGS: [(&[Group], &[&str]); 7] = [
    (&[Group::Skin, Group::Css], &["css"]),
    (
        &[Group::Skin],
        &[
            "header",
            "mainmenu",
            "footer",
            "details",
            "js",
            "logo-mimetype",
            "logo-image",
            "background-mimetype",
            "background-image",
            "icon-mimetype",
            "icon-image",
            "timeline-block-markup",
            "timeline-date-format",
            "timeline-default-style",
            "timeline-dwelltime",
            "timeline-closetime",
            "timeline-max-comment",
            "timeline-plaintext",
            "timeline-truncate-at-blank",
            "timeline-tslink-info",
            "timeline-utc",
            "adunit",
            "adunit-omit-if-admin",
            "adunit-omit-if-user",
            "default-csp",
            "sitemap-extra",
            "safe-html",
        ],
    ),
    (&[Group::Skin, Group::Ticket, Group::Xfer], &["th1-docs", "th1-hooks", "th1-uri-regexp", "tcl"]),
    (
        &[Group::Project],
        &[
            "project-name",
            "short-project-name",
            "project-description",
            "index-page",
            "manifest",
            "binary-glob",
            "clean-glob",
            "ignore-glob",
            "keep-glob",
            "crlf-glob",
            "crnl-glob",
            "encoding-glob",
            "empty-dirs",
            "dotfiles",
            "parent-project-code",
            "parent-project-name",
            "hash-policy",
            "comment-format",
            "mimetypes",
            "forbid-delta-manifests",
            "mv-rm-files",
        ],
    ),
    (
        &[Group::Ticket],
        &[
            "ticket-table",
            "ticket-common",
            "ticket-change",
            "ticket-newpage",
            "ticket-viewpage",
            "ticket-editpage",
            "ticket-reportlist",
            "ticket-report-template",
            "ticket-key-template",
            "ticket-title-expr",
            "ticket-closed-expr",
        ],
    ),
    (&[Group::User], &["user-color-map"]),
    (&[Group::Xfer], &["xfer-common-script", "xfer-push-script", "xfer-commit-script", "xfer-ticket-script"]),
];

/// Settings that travel whatever follows their prefix.
pub(super) const PREFIXES: [(Group, &str); 2] =
    [(Group::Alias, "walias:/"), (Group::Interwiki, "interwiki:")];

/// The groups that a setting belongs to; none if it does not travel.
pub(super) fn of_setting(name: &[u8]) -> Groups {
    for (group, prefix) in PREFIXES {
        if name.starts_with(prefix.as_bytes()) {
            return group.into();
        }
    }
    let named = SETTINGS.iter().find(|(_, names)| names.iter().any(|known| known.as_bytes() == name));
    named.map_or(Groups::NONE, |(groups, _)| union(groups))
}

/// The settings of some groups, but for those of [`PREFIXES`].
pub(super) fn settings(groups: Groups) -> impl Iterator<Item = &'static str> {
    SETTINGS
        .iter()
        .filter(move |(of, _)| union(of).meets(groups))
        .flat_map(|(_, names)| names.iter().copied())
}

fn union(groups: &[Group]) -> Groups {
    groups.iter().fold(Groups::NONE, |all, &group| all.with(group))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_found_by_its_name_and_all_holds_every_other() {
        for group in Group::every() {
            assert_eq!(Group::of_name(group.name()), Some(group));
            assert!(Groups::from(Group::All).meets(group));
        }
        assert_eq!(Group::of_name("/all"), None);
        assert!(!Groups::from(Group::Css).meets(Group::Project));
        assert!(Groups::from(Group::All).without(Group::User).meets(Group::Skin));
    }

    #[test]
    fn only_settings_that_say_nothing_of_one_machine_travel() {
        for name in ["css", "project-name", "walias:/x", "interwiki:x", "hash-policy", "ticket-table"] {
            assert!(!of_setting(name.as_bytes()).is_empty(), "{name}");
        }
        let kept =
            ["project-code", "server-code", "last-sync-pw", "th1-setup", "tcl-setup", "walias:x", "", "CSS"];
        for name in kept {
            assert!(of_setting(name.as_bytes()).is_empty(), "{name}");
        }
    }
}
