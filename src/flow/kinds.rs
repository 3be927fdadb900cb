//! The four kinds of flow.

use core::fmt;

use super::session::{Elevated, Owing, Session, SessionCheck};
use super::{Authenticated, Refusal};
use crate::policy::Policy;
use crate::time::Timestamp;

/// What a reference, an outcome and its end belong to: [`Login`], [`Completion`](crate::session::Completion),
/// [`Registration`](crate::session::Registration) or [`StepUp`](crate::session::StepUp). It is implemented for no other
/// type.
///
/// A host with one handler for all flows is generic in it:
///
/// ```
/// use factorgate::policy::Policy;
/// use factorgate::session::SessionCheck;
/// use factorgate::{Action, Flow, FlowRef, Mailer, Mfa, Outcome, Store};
///
/// async fn submit<F: Flow, S: Store, M: Mailer>(
///     mfa: &Mfa<S, M>,
///     cookie: &str,
///     policy: &Policy,
///     session: &SessionCheck,
///     action: Action,
/// ) -> Result<Outcome<F>, Box<dyn std::error::Error>>
/// where
///     factorgate::MfaError<S, M>: std::error::Error + 'static,
/// {
///     let flow = FlowRef::<F>::from_cookie(cookie)?;
///     Ok(mfa.submit(&flow, F::by(policy, session)?, action).await?)
/// }
/// ```
pub trait Flow: sealed::Sealed + fmt::Debug + Sized + Send + Sync + 'static {
    /// The name of the flow in lower case, for a cookie name or a URL: `login`, `completion`, `registration`, `step-up`.
    const NAME: &'static str;
    /// What a request of this flow is judged by: the [`Policy`] for a login, the checked session otherwise.
    type By: Send + Sync;
    /// What the flow ends in; the session continues with the [`Authenticated`] in it.
    type Done: Into<Authenticated> + fmt::Debug + Send;

    /// Returns what this flow is judged by, from the policy and the session of a request.
    ///
    /// # Errors
    ///
    /// [`Refusal::SessionEnded`], [`Refusal::StepsOwed`] or [`Refusal::NotOpen`] if the session is not of the kind that
    /// the flow needs. A login never fails.
    fn by<'a>(policy: &'a Policy, check: &'a SessionCheck) -> Result<&'a Self::By, Refusal>;

    #[doc(hidden)]
    fn judge(by: &Self::By) -> sealed::Judge<'_>;

    #[doc(hidden)]
    fn done(passed: sealed::Passed) -> Option<Self::Done>;
}

pub(crate) mod sealed {
    use super::{Authenticated, Policy, Session, Timestamp};

    pub trait Sealed {
        const PURPOSE: Purpose;
    }

    /// What a flow is for. It is part of every digest, so that a code or a reference of one is nothing in another.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Purpose {
        Login,
        Registration,
        StepUp,
        Completion,
    }

    impl Purpose {
        pub(crate) fn label(self) -> &'static [u8] {
            match self {
                Self::Login => b"login",
                Self::Registration => b"registration",
                Self::StepUp => b"step-up",
                Self::Completion => b"completion",
            }
        }
    }

    /// What a flow ends in, inside the engine.
    #[derive(Debug)]
    pub struct Passed {
        pub(crate) authenticated: Authenticated,
        pub(crate) at: Timestamp,
        /// The session that the flow was begun in.
        pub(crate) session: Option<Session>,
    }

    /// What a request is judged by.
    #[derive(Clone, Copy, Debug)]
    pub struct Judge<'a> {
        pub(crate) policy: &'a Policy,
        pub(crate) session: Option<&'a Session>,
    }
}

macro_rules! kind {
    ($(#[$doc:meta])* $name:ident, $text:literal, $by:ty, $done:ty, $pick:expr, $judge:expr, $end:expr) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub enum $name {}

        impl sealed::Sealed for $name {
            const PURPOSE: sealed::Purpose = sealed::Purpose::$name;
        }

        impl Flow for $name {
            const NAME: &'static str = $text;
            type By = $by;
            type Done = $done;

            fn by<'a>(policy: &'a Policy, check: &'a SessionCheck) -> Result<&'a $by, Refusal> {
                let pick: for<'b> fn(&'b Policy, &'b SessionCheck) -> Result<&'b $by, Refusal> = $pick;
                pick(policy, check)
            }

            fn judge(by: &$by) -> sealed::Judge<'_> {
                let judge: for<'b> fn(&'b $by) -> sealed::Judge<'b> = $judge;
                judge(by)
            }

            fn done(passed: sealed::Passed) -> Option<$done> {
                let end: fn(sealed::Passed) -> Option<$done> = $end;
                end(passed)
            }
        }
    };
}

kind! {
    /// The flow that opens a session. See [`Mfa::begin_login`](crate::Mfa::begin_login).
    Login, "login", Policy, Authenticated,
    |policy, _| Ok(policy),
    |policy| sealed::Judge { policy, session: None },
    |passed| Some(passed.authenticated)
}

kind! {
    /// The flow that completes a session that owes steps. See [`SessionCheck::Owes`].
    Completion, "completion", Owing, Authenticated,
    |_, check| check.owing(),
    |owing| sealed::Judge { policy: &owing.session.policy, session: Some(&owing.session) },
    |passed| Some(passed.authenticated)
}

kind! {
    /// The flow that registers a device, or an external factor, from the profile.
    Registration, "registration", Session, Authenticated,
    |_, check| check.session(),
    |session| sealed::Judge { policy: &session.policy, session: Some(session) },
    |passed| Some(passed.authenticated)
}

kind! {
    /// The flow that verifies the user's strongest factor again in an open session.
    StepUp, "step-up", Session, Elevated,
    |_, check| check.session(),
    |session| sealed::Judge { policy: &session.policy, session: Some(session) },
    |passed| passed.session.map(|session| Elevated::new(passed.authenticated, session, passed.at))
}
