use factorgate::{Login, Outcome};

pub fn page(outcome: &Outcome<Login>) -> &'static str {
    //~v E0004
    match outcome {
        Outcome::Challenge(_) => "code",
        Outcome::Done(_) => "home",
        Outcome::Enroll(_) => "registration",
    }
}
