//! Writes the seeds of the fuzz targets `operations`, `record` and `references`: one scenario each, and what it left.
//!
//! ```sh
//! RUSTC_BOOTSTRAP=1 RUSTFLAGS="--cfg fuzzing" cargo run --manifest-path fuzz/Cargo.toml --example seeds
//! ```

#[path = "../../fuzz_targets/operations/account.rs"]
mod account;
#[path = "../../fuzz_targets/operations/act.rs"]
mod act;
#[path = "../../fuzz_targets/operations/admin.rs"]
mod admin;
#[path = "../../fuzz_targets/operations/answers.rs"]
mod answers;
#[path = "../../fuzz_targets/operations/begin.rs"]
mod begin;
#[path = "../../fuzz_targets/operations/browsers.rs"]
mod browsers;
#[path = "../../fuzz_targets/operations/facts.rs"]
mod facts;
#[path = "../../fuzz_targets/operations/flow.rs"]
mod flow;
#[path = "../../fuzz_targets/operations/guesses.rs"]
mod guesses;
mod guessing;
#[path = "../../fuzz_targets/operations/kept.rs"]
mod kept;
#[path = "../../fuzz_targets/operations/ledger.rs"]
mod ledger;
#[path = "../../fuzz_targets/operations/model.rs"]
mod model;
mod parts;
#[path = "../../fuzz_targets/operations/post.rs"]
mod post;
mod scenarios;
#[path = "../../fuzz_targets/operations/steps.rs"]
mod steps;
#[path = "../../fuzz_targets/operations/world.rs"]
mod world;

use std::fs;
use std::path::Path;

use factorgate::fuzzing;
use world::World;

fn main() -> std::io::Result<()> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for target in ["operations", "record", "references"] {
        fs::remove_dir_all(corpus.join(target)).or(Ok::<_, std::io::Error>(()))?;
        fs::create_dir_all(corpus.join(target))?;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    for (name, parts) in scenarios::all().into_iter().chain(guessing::all()) {
        let mut bytes = Vec::new();
        for act in parts.into_iter().flatten() {
            act.write(&mut bytes);
        }
        fs::write(corpus.join("operations").join(name), &bytes)?;
        println!("{name}");
        let mut world = runtime.block_on(act::run(&bytes));
        if let Some(plain) = world.longest.as_ref().and_then(|it| fuzzing::plain(it, &world.user, &World::keys())) {
            fs::write(corpus.join("record").join(name), plain)?;
        }
        if ["external-factors", "recovery", "trusted-browser"].contains(&name) {
            let flow = world.flows.first().and_then(|open| open.reference.as_ref()).map(|flow| flow.to_cookie());
            let browser = world.agents.pop().and_then(|mut agent| agent.cookies.pop()).map(|cookie| cookie.text);
            let claims = world.sessions.last().map(|kept| kept.claims.to_text());
            for (kind, text) in [("flow", flow), ("browser", browser), ("claims", claims)] {
                if let Some(text) = text {
                    fs::write(corpus.join("references").join(format!("{name}-{kind}")), text)?;
                }
            }
        }
    }
    Ok(())
}
