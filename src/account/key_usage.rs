//! Which of the server's keys an account still needs.

use alloc::collections::BTreeSet;

use super::{Account, RecoverySet};
use crate::keys::KeyId;
use crate::time::Timestamp;

impl Account {
    /// The keys of the digests that something can still be compared with. Nobody but the user knows what they are of, so
    /// that they cannot be made again under another key.
    pub(crate) fn keys_needed(&self, now: Timestamp) -> BTreeSet<KeyId> {
        // Every field by its name: one that is added, and holds a digest, cannot be forgotten.
        let Self {
            address_change: _,
            browsers,
            devices: _,
            email_failures: _,
            epoch,
            erased: _,
            ever_had_factor: _,
            exemption: _,
            external: _,
            flows,
            grace: _,
            granted_at: _,
            issues: _,
            last_device: _,
            owed: _,
            pending_recovery,
            recovery,
            // Digests of rows can be made again, from the row that the host passes.
            row: _,
            shared: _,
            stale_row: _,
            tail: _,
            ticket,
        } = self;
        let ticket = ticket.iter().filter(|ticket| ticket.is_valid(now)).map(|ticket| ticket.digest.key);
        let flows = flows.iter().filter(|flow| flow.is_open(*epoch, now));
        let flows = flows.flat_map(|flow| {
            let codes = flow.code.iter().flat_map(|code| [Some(code.digest), code.superseded]).flatten();
            [flow.token.key, flow.row.key].into_iter().chain(codes.map(|digest| digest.key))
        });
        // A browser that is not trusted becomes unknown if the key is dropped: it loses guesses of its own, and nothing else.
        let trusted = browsers.known.iter().filter_map(|browser| Some((browser, browser.trust(now)?)));
        let browsers = trusted.flat_map(|(browser, trust)| {
            let replaced = browser.replaced.iter().map(|replaced| replaced.token.key);
            [browser.token.key, trust.series.key, trust.row.key].into_iter().chain(replaced)
        });
        let pending = pending_recovery.iter().filter(|pending| pending.is_open(now));
        let sets = recovery.iter().filter(|set| set.is_keyed()).chain(pending.map(|pending| &pending.set));
        ticket.chain(flows).chain(browsers).chain(sets.map(|set| set.key)).collect()
    }
}

impl RecoverySet {
    /// Whether a code is left of which there is a digest.
    fn is_keyed(&self) -> bool {
        self.left() > 0 && self.codes.iter().any(|code| !code.used)
    }
}
