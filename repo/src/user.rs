//! Who may do what (reference: repo.md section 7, wire.md section 4).

/// Everyone who does not log in; everyone has what this one may do.
pub const NOBODY: &str = "nobody";
/// Web visitors who solved a captcha. Counts for nothing in sync.
pub const ANONYMOUS: &str = "anonymous";
/// What capability `v` stands for.
pub const DEVELOPER: &str = "developer";
/// What capability `u` stands for.
pub const READER: &str = "reader";
