//! What a session must prove again before a dangerous operation.

use alloc::vec::Vec;

use super::{Denial, Path, Plan, Standing, Step};

impl Standing {
    /// Returns the plan of a step-up: the strongest factor that the user has, and nothing weaker. A phishing-resistant
    /// external factor counts as much as a device.
    ///
    /// It depends on no policy. What an administrator lets stand in for a device at login does not stand in for
    /// it here, and nothing is registered on the way (OWASP ASVS 5.0, 7.5.1).
    ///
    /// ```
    /// use factorgate::policy::{DeviceStanding, EmailStanding, ExternalFactor, Standing, Step};
    ///
    /// let mut user = Standing::new();
    /// user.email = Some(EmailStanding { tainted: false, verified: true });
    /// assert_eq!(user.step_up_plan().paths()[0].steps(), [Step::EmailCode]);
    /// user.device = DeviceStanding::Confirmed { recovery_codes: true };
    /// assert_eq!(user.step_up_plan().paths()[0].steps(), [Step::AppCode]);
    /// user.external.insert(ExternalFactor::phishing_resistant("passkey")?);
    /// assert_eq!(user.step_up_plan().to_string(), "use the factor passkey; or enter an app code");
    /// # Ok::<_, factorgate::policy::InvalidFactorName>(())
    /// ```
    #[must_use]
    pub fn step_up_plan(&self) -> Plan {
        let strongest: Vec<Step> = match (self.has_device(), self.external.is_empty()) {
            (true, _) => self.phishing_resistant().map(Step::External).chain([Step::AppCode]).collect(),
            (false, false) => self.strongest_external().map(Step::External).collect(),
            (false, true) => self.email_step().into_iter().collect(),
        };
        let paths: Vec<Path> = strongest.into_iter().filter_map(|step| Path::new([step].into())).collect();
        if paths.is_empty() {
            return Plan::Deny(Denial::NO_USABLE_EMAIL);
        }
        Plan::Paths { paths, remind_enrollment: false }
    }
}
