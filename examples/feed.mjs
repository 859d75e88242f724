// Vigil's alerts in Node.js: `npm install --prefix examples`, then `node examples/feed.mjs [FEED] [SEQ] [KEY]`.
//
// Prints each alert as a line of JSON, in order and once: first those after number SEQ that were told before (0: all
// that are kept), then live ones. KEY is a file that `vigil keys new` made. The protocol is in docs/feed.md.
import { readFileSync } from "node:fs"
import { Request, Subscriber } from "zeromq"

const [feed = "tcp://127.0.0.1:5557", from = "0", key] = process.argv.slice(2)
const curve = key ? readKey(readFileSync(key, "utf8")) : {}
let epoch = ""
let seq = Number(from) // up to here everything is printed
let catchUp // where to ask for what was told before

const live = new Subscriber(curve)
live.connect(feed)
live.subscribe("alerts/", "status/")

for await (const [, , json] of live) {
  const message = JSON.parse(json)
  const isAlert = message.schema === "vigil.alert/1"
  if (epoch && message.epoch !== epoch) seq = 0 // another outbox: begin with its first alert
  epoch = message.epoch
  if (!isAlert) catchUp = asReached(message.catch_up)
  if (isAlert && message.seq === seq + 1) print(message)
  else await fetchUpTo(isAlert ? message.seq : message.last_alert_seq)
}

// What lies between `seq` and `newest`, if anything. Live messages wait in their socket meanwhile.
async function fetchUpTo(newest) {
  while (catchUp && seq < newest) {
    const page = await ask({ schema: "vigil.range/1", after: seq })
    if (page?.epoch !== epoch || page.through <= seq) return // the next state message brings us here again
    if (page.missing) console.error(`${page.missing} alerts are not kept any more`)
    page.alerts.forEach(print)
    seq = page.through
  }
}

async function ask(request) {
  const socket = new Request({ linger: 0, receiveTimeout: 5000, ...curve })
  try {
    socket.connect(catchUp)
    await socket.send(JSON.stringify(request))
    const [reply] = await socket.receive()
    return JSON.parse(reply)
  } catch (error) {
    console.error(`no reply from ${catchUp}: ${error.message}`)
  } finally {
    socket.close()
  }
}

function print(alert) {
  console.log(JSON.stringify(alert))
  seq = alert.seq
}

// The port that the publisher tells, on the host under which the feed is reached.
function asReached(told) {
  const port = told?.match(/^tcp:.*(:\d+)$/)?.[1]
  return port && feed.startsWith("tcp:") ? feed.replace(/:\d+$/, port) : told
}

function readKey(text) {
  const value = (name) => text.match(new RegExp(`^\\s*${name}\\s*=\\s*"(.{40})"`, "m"))[1]
  return { curvePublicKey: value("public-key"), curveSecretKey: value("secret-key"), curveServerKey: value("server-key") }
}
