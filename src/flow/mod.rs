//! Open flows and sessions: what the host says, what it is told, and what the browser keeps.

mod action;
mod authenticated;
mod claims;
mod evidence;
mod kinds;
mod outcome;
mod reference;
mod refusal;
mod row;
mod session;
mod status;

pub use self::action::{Action, Typed};
pub use self::authenticated::Authenticated;
pub use self::claims::{InvalidClaims, SessionClaims};
pub use self::evidence::{Assurance, Evidence};
pub(crate) use self::kinds::sealed::{Judge, Passed, Purpose};
pub use self::kinds::{Completion, Flow, Login, Registration, StepUp};
pub(crate) use self::outcome::Open;
pub use self::outcome::{Challenge, Denied, EmailStatus, Enroll, Outcome};
pub(crate) use self::reference::Token;
pub use self::reference::{FlowRef, InvalidFlowRef};
pub use self::refusal::{Advice, Refusal};
pub(crate) use self::row::RowDigest;
pub use self::row::{Contact, PrimaryVerified, UserRow};
pub use self::session::{AddressPermit, Elevated, Owing, Session, SessionCheck, insufficient_user_authentication};
pub use self::status::{ExternalInfo, UserStatus};
