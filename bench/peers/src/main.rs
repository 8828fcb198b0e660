//! Decides the questions of `bench/disclosure` with regorus's bytecode machine: what it needs for each, and what it says.
//!
//! usage: peers FOLDER, with policy.rego, data.json and questions.json in it; prints `{"us": …, "answers": [[…], …]}`.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context as _;
use regorus::languages::rego::compiler::Compiler;
use regorus::rvm::RegoVM;
use regorus::{Engine, Value};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const RULE: &str = "data.privity.allowed";

fn main() -> anyhow::Result<()> {
    let folder = std::env::args().nth(1).context("name the folder")?;
    let read = |name: &str| std::fs::read_to_string(Path::new(&folder).join(name));
    let mut engine = Engine::new();
    engine.add_policy("policy.rego".to_owned(), read("policy.rego")?)?;
    let data = Value::from_json_str(&read("data.json")?)?;
    engine.add_data(data.clone())?;
    let compiled = engine.compile_with_entrypoint(&Arc::from(RULE))?;
    let program = Compiler::compile_from_policy(&compiled, &[RULE])
        .map_err(|error| anyhow::anyhow!("{error}"))?;
    let mut machine = RegoVM::new();
    machine.load_program(program);
    machine.set_data(data)?;
    let questions = Value::from_json_str(&read("questions.json")?)?;
    let questions = questions.as_array()?.clone();
    let mut answers = Vec::new();
    for question in &questions {
        machine.set_input(question.clone());
        let answer = machine.execute()?;
        answers.push(answer.to_json_str()?);
    }
    let mut rounds: Vec<f64> = Vec::new();
    for _ in 0..7 {
        let start = Instant::now();
        for question in &questions {
            machine.set_input(question.clone());
            std::hint::black_box(machine.execute()?);
        }
        rounds.push(start.elapsed().as_secs_f64() * 1e6 / questions.len() as f64);
    }
    rounds.sort_by(f64::total_cmp);
    println!(
        "{{\"us\": {}, \"answers\": [{}]}}",
        rounds[rounds.len() / 2],
        answers.join(",")
    );
    Ok(())
}
