use factorgate::session::SessionCheck;

pub fn is_signed_in(check: &SessionCheck) -> bool {
    //~v E0004
    match check {
        SessionCheck::Ended => false,
        SessionCheck::Valid(_) => true,
    }
}
