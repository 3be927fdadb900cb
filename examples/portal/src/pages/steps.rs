//! The pages of a second factor, which sign-in and profile share.

use askama::Template;

use super::Shell;

/// Which of several ways to take.
#[derive(Template)]
#[template(path = "choose.html")]
pub(super) struct ChoosePage {
    pub(super) shell: Shell,
    /// How far it is.
    pub(super) progress: &'static str,
    pub(super) heading: &'static str,
    pub(super) lead: &'static str,
    pub(super) ways: Vec<Way>,
    pub(super) cancel: &'static str,
    pub(super) cancel_label: &'static str,
}

pub(super) struct Way {
    pub(super) id: &'static str,
    pub(super) action: String,
    pub(super) title: &'static str,
    pub(super) detail: String,
}

/// Where a code is entered.
#[derive(Template)]
#[template(path = "code.html")]
pub(super) struct CodePage {
    pub(super) shell: Shell,
    pub(super) progress: &'static str,
    pub(super) heading: &'static str,
    pub(super) lead: String,
    pub(super) label: &'static str,
    pub(super) hint: &'static str,
    pub(super) error: Option<String>,
    /// The code consists of digits.
    pub(super) numeric: bool,
    pub(super) action: String,
    pub(super) submit: &'static str,
    /// What is done cannot be undone.
    pub(super) danger: bool,
    /// Where a new code is asked for.
    pub(super) resend: Option<&'static str>,
    /// Where another way is chosen.
    pub(super) other: Option<&'static str>,
    pub(super) cancel: &'static str,
    pub(super) cancel_label: &'static str,
}

/// Where a smartphone is registered.
#[derive(Template)]
#[template(path = "register.html")]
pub(super) struct RegisterPage {
    pub(super) shell: Shell,
    pub(super) progress: &'static str,
    /// The picture, made by the library.
    pub(super) qr: String,
    /// The secret in groups of four.
    pub(super) groups: Vec<String>,
    pub(super) uri: String,
    pub(super) account: String,
    pub(super) error: Option<String>,
    pub(super) action: &'static str,
    pub(super) other: Option<&'static str>,
    pub(super) cancel: &'static str,
    pub(super) cancel_label: &'static str,
}

/// The smartphone is registered.
#[derive(Template)]
#[template(path = "all_set.html")]
pub(super) struct AllSetPage {
    pub(super) shell: Shell,
    pub(super) codes: Vec<String>,
    pub(super) next: &'static str,
    pub(super) next_label: &'static str,
}

/// There is no way in.
#[derive(Template)]
#[template(path = "denied.html")]
pub(super) struct DeniedPage {
    pub(super) shell: Shell,
    pub(super) heading: &'static str,
    pub(super) text: String,
    pub(super) remedy: String,
}

/// The secret as people type it.
pub(super) fn in_groups(secret: &str) -> Vec<String> {
    let characters: Vec<char> = secret.chars().collect();
    characters.chunks(4).map(|group| group.iter().collect()).collect()
}
