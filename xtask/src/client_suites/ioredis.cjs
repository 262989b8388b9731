// Plays ioredis's tests against any port: loaded by mocha before the tests, and its reporter.
//
// What wants to reach the usual port is led to the one that is named in the environment, and how each test ended is
// appended to a file, a line of JSON each, so that a run that breaks off has told what it did.

const fs = require("fs");
const net = require("net");

const USUAL = 6379;
const PORT = Number(process.env.CLIENT_SUITE_PORT);
const REPORT = process.env.CLIENT_SUITE_REPORT;

const connect = net.Socket.prototype.connect;
if (!connect.isLed) {
  const led = function (...given) {
    // net.connect hands over its arguments in an array, the options first.
    const options = Array.isArray(given[0]) ? given[0][0] : given[0];
    if (options && typeof options === "object") {
      if (Number(options.port) === USUAL) options.port = PORT;
    } else if (Number(options) === USUAL) {
      given[0] = PORT;
    }
    return connect.apply(this, given);
  };
  led.isLed = true;
  net.Socket.prototype.connect = led;
}

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
