//! What the portal holds to on the wire, whatever a browser would do.

mod flows;
mod frame;
mod passkeys;
mod protection;
mod settings;
mod wire;
