use factorgate::{Contact, PrimaryVerified, UserId, UserRow};

pub fn without_row(user: UserId) -> PrimaryVerified {
    PrimaryVerified::assertion(user) //~ E0308
}

pub fn without_credential(user: UserId, contact: Contact) -> UserRow {
    UserRow::new(user, contact) //~ E0061 //~ E0277
}
