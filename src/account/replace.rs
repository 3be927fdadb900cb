//! One device in place of another, in one transition.

use super::{Account, Decision, Device, Fresh, MAX_DEVICES, OpenFlow, Progress, Request};
use crate::account::flow::denied;
use crate::device::DeviceId;
use crate::login::{DeniedReason, Refusal};

impl Account {
    /// Lets the registration of a flow take the place of a device, which works until the new one is confirmed.
    pub(crate) fn replace_device(&mut self, rq: &Request<'_>, fresh: Fresh, device: DeviceId) -> Decision<Progress> {
        let at = match self.open_flow(rq) {
            Ok((at, ..)) => at,
            Err(reason) => return denied(reason),
        };
        if !self.devices.iter().any(|held| held.id == device) {
            return self.refuse(rq, at, Refusal::UnknownDevice);
        }
        let Some(flow) = self.flows.get_mut(at) else { return denied(DeniedReason::FlowEnded) };
        if flow.replaces == Some(device) {
            return Decision::unchanged(self.look(&rq.cx, at, rq.policy, None));
        }
        flow.replaces = Some(device);
        self.advance(rq.cx, fresh, at, rq.policy)
    }

    /// Whether the registration of `flow` would give the user too many devices.
    pub(super) fn is_full_for(&self, flow: &OpenFlow) -> bool {
        let stay = self.devices.iter().filter(|held| Some(held.id) != flow.replaces).count();
        stay >= MAX_DEVICES
    }

    /// Takes out the device that `flow` replaces.
    pub(super) fn take_replaced(&mut self, flow: &OpenFlow) -> Option<Device> {
        let at = self.devices.iter().position(|held| Some(held.id) == flow.replaces)?;
        Some(self.devices.remove(at))
    }
}
