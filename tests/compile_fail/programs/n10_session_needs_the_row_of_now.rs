use factorgate::{Authenticated, Refusal, SessionClaims};

pub fn open(passed: Authenticated) -> Result<SessionClaims, Refusal> {
    passed.into_session() //~ E0061
}
