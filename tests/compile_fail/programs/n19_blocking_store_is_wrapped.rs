use factorgate::blocking;
use factorgate::keys::ServerKeys;
use factorgate::mail::AnyMailer;
use factorgate::otpauth::Issuer;
use factorgate::store::{Record, Swap, Version};
use factorgate::{Mfa, UserId};

pub struct Database;

impl blocking::Store for Database {
    type Error = std::io::Error;

    fn load(&self, _: &UserId) -> Result<Option<Record>, std::io::Error> {
        Ok(None)
    }

    fn compare_and_swap(&self, _: &UserId, _: Option<Version>, _: &Record) -> Result<Swap, std::io::Error> {
        Ok(Swap::Conflict)
    }
}

pub fn engine(mailer: AnyMailer, keys: ServerKeys, issuer: Issuer) {
    let _ = Mfa::builder(Database, mailer, keys, issuer); //~ E0277 `factorgate::blocking::Ready(store)`
}
