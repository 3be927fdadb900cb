use factorgate::{Elevated, Session};

pub fn exchange(other: Session, mine: Elevated) -> Elevated {
    Elevated { session: other, ..mine } //~ E0451
}
