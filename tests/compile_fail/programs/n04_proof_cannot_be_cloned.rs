use factorgate::Authenticated;

pub fn copy(passed: &Authenticated) -> Authenticated {
    passed.clone() //~ E0308
}

pub fn default() -> Authenticated {
    Authenticated::default() //~ E0599
}
