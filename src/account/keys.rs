//! Which of the server's keys an account still needs.

use alloc::collections::BTreeSet;

use super::{Account, Digest, RecoverySet};
use crate::keys::KeyId;
use crate::time::Timestamp;

impl Account {
    /// The keys of the digests that something can still be compared with. Nobody but the user knows what they are of, so
    /// that they cannot be made anew under another key.
    pub(crate) fn keys_needed(&self, now: Timestamp) -> BTreeSet<KeyId> {
        // Every field by its name: one that is added, and holds a digest, cannot be forgotten.
        let Self {
            browsers,
            devices: _,
            email_failures: _,
            epoch,
            ever_held_factor: _,
            exemption: _,
            external: _,
            failures: _,
            flows,
            grace: _,
            issues: _,
            last_device: _,
            pending_recovery,
            recovery,
            ticket,
        } = self;
        let ticket = ticket.iter().filter(|ticket| now < ticket.expires_at).map(|ticket| &ticket.digest);
        let flows = flows.iter().filter(|flow| flow.epoch == *epoch && now < flow.expires_at);
        let flows = flows.flat_map(|flow| {
            let codes = flow.code.iter().flat_map(|code| [Some(&code.digest), code.superseded.as_ref()]);
            [Some(&flow.token)].into_iter().chain(codes).flatten()
        });
        let browsers = browsers.trusted.iter().filter(|browser| now < browser.until);
        let browsers = browsers.flat_map(|browser| {
            let replaced = browser.replaced.iter().map(|(digest, _)| digest);
            [&browser.series, &browser.token].into_iter().chain(replaced)
        });
        let pending = pending_recovery.iter().filter(|pending| now < pending.expires_at);
        let sets = recovery.iter().filter(|set| set.is_keyed()).chain(pending.map(|pending| &pending.set));
        let digests = ticket.chain(flows).chain(browsers).map(|digest: &Digest| digest.key);
        digests.chain(sets.map(|set| set.key)).collect()
    }
}

impl RecoverySet {
    /// Whether a code is left of which there is a digest.
    fn is_keyed(&self) -> bool {
        self.left() > 0 && self.codes.iter().any(|code| !code.used)
    }
}
