use factorgate::{Authenticated, UserRow};

pub fn open(passed: Authenticated, row: &UserRow) {
    let _ = passed.into_session(row);
    let _ = passed.into_session(row); //~ E0382
}
