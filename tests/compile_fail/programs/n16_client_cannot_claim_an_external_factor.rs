use factorgate::Action;
use factorgate::policy::ExternalEvidence;

pub fn claim(evidence: ExternalEvidence) -> Action {
    Action::External(evidence) //~ E0599
}
