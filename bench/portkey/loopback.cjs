// Preload for servers that bind every interface: keeps them on loopback and reports the bound port.
"use strict";
const net = require("node:net");
const { writeSync } = require("node:fs");

const listen = Object.getOwnPropertyDescriptor(net.Server.prototype, "listen").value;

net.Server.prototype.listen = function listenOnLoopback(first, ...rest) {
  const callback = rest.findLast((argument) => typeof argument === "function");
  this.once("error", (error) => {
    console.error(error);
    process.exit(1);
  });
  this.once("listening", () => {
    writeSync(3, `${JSON.stringify({ event: "listen", port: this.address().port })}\n`);
  });
  const port = typeof first === "object" && first !== null ? first.port : first;
  return listen.call(this, { port, host: "127.0.0.1" }, callback);
};
