//! What the portal holds to on the wire, whatever a browser would do.

mod accounts;
mod address;
mod administrators;
mod browsers;
mod flows;
mod frame;
mod keys;
mod load;
mod passkeys;
mod people;
mod protection;
mod races;
mod sessions;
mod settings;
mod upkeep;
mod wire;
