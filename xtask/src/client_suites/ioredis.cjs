// mocha's reporter of ioredis's tests: how each ended is appended to a file, a line of JSON each, so that a run that breaks
// off has told what it did.

const fs = require("fs");

const REPORT = process.env.CLIENT_SUITE_REPORT;

module.exports = class Reporter {
  constructor(runner) {
    const tell = (outcome) => (test, error) => {
      const file = String(test.file).split("/test/").pop();
      const line = { test: `${file}: ${test.fullTitle()}`, outcome, message: error ? String(error.message) : "" };
      fs.appendFileSync(REPORT, JSON.stringify(line) + "\n");
    };
    runner.on("pass", tell("passed"));
    runner.on("fail", tell("failed"));
    runner.on("pending", tell("skipped"));
  }
};
