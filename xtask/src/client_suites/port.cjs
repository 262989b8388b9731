// Loaded into Node before anything else: what wants to reach the usual port is led to the one that the environment names.

const net = require("net");

const USUAL = 6379;
const PORT = Number(process.env.CLIENT_SUITE_PORT);

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
