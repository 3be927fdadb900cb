use factorgate::policy::Policy;
use factorgate::session::SessionCheck;
use factorgate::{Authenticated, Flow, Refusal};

#[derive(Debug)]
pub enum PasswordOnly {}

//~v E0046 //~v E0277 sealed
impl Flow for PasswordOnly {
    const NAME: &'static str = "password-only";
    type By = Policy;
    type Done = Authenticated;

    fn by<'a>(policy: &'a Policy, _: &'a SessionCheck) -> Result<&'a Policy, Refusal> {
        Ok(policy)
    }
}
