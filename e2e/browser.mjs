// Runs all browser checks and counts them: the sample pages first, then the page script on a shop's pages, then the way through the demo as a
// subject, a recipient and an operator.
import { chromium } from "playwright-core";
import { readFileSync } from "node:fs";
import { choose } from "./choices.mjs";
import { lookAtSamples } from "./look.mjs";
import { walk } from "./walk.mjs";

let passed = 0;
let failed = 0;

/** Counts one check; `faults` is a list of what is wrong, empty when it holds. */
function check(name, faults) {
  if (faults.length === 0) {
    passed += 1;
    return;
  }
  failed += 1;
  console.log(`FAILED ${name}`);
  for (const fault of faults) console.log(`    ${fault}`);
}

/** Waits until the demo has played its story, and reads the links that it prints. */
async function links(log) {
  for (let second = 0; second < 180; second += 1) {
    const text = readFileSync(log, "utf8");
    const found = Object.fromEntries([...text.matchAll(/^ {4,}(\S.*?) {2,}(\S+)$/gm)].map((match) => [match[1].replace("’", "'"), match[2]]));
    if (found["Console"] && found["the business's files"]) return found;
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
  throw new Error(`the demo did not get ready: ${readFileSync(log, "utf8").split("\n").slice(-5).join(" | ")}`);
}

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ["--no-sandbox", "--disable-gpu"] });
try {
  await lookAtSamples(browser, process.env.SAMPLES, process.env.SHOTS, check);
  await choose(browser, process.env.PROGRAM, process.env.SHOP, process.env.SHOTS, check);
  await walk(browser, await links(process.env.DEMO_LOG), process.env.SHOTS, check);
} catch (error) {
  check("the browser checks run to their end", [String(error.stack ?? error).split("\n").slice(0, 4).join(" ")]);
} finally {
  await browser.close();
}
console.log(`${passed} passed, ${failed} failed, 0 skipped`);
process.exit(failed === 0 ? 0 : 1);
