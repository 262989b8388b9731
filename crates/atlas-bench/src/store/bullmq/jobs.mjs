// BullMQ's jobs: `node jobs.mjs PORT COUNT`. Adds them, then works on them; then both at once. Prints jobs a second as JSON.

import { Queue, Worker } from "bullmq";

const [port, count] = process.argv.slice(2).map(Number);
const AT_ONCE = 50;
const connection = { host: "127.0.0.1", port, maxRetriesPerRequest: null };

async function add(queue) {
  let next = 0;
  const one = async () => {
    while (next < count) {
      const number = next++;
      await queue.add("job", { number, text: "x".repeat(64) });
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, one));
}

function work(name) {
  const seen = new Set();
  const worker = new Worker(name, async (job) => job.data.number, { connection, concurrency: AT_ONCE, autorun: false });
  const done = new Promise((resolve, reject) => {
    worker.on("completed", (job, result) => {
      if (seen.has(result)) reject(new Error(`job ${result} twice`));
      seen.add(result);
      if (seen.size === count) resolve();
    });
    worker.on("failed", (job, error) => reject(error));
    worker.on("error", reject);
  });
  return { worker, done };
}

async function timed(task) {
  const began = performance.now();
  await task();
  return (count * 1000) / (performance.now() - began);
}

async function ready(name) {
  const queue = new Queue(name, { connection });
  const { worker, done } = work(name);
  await queue.waitUntilReady();
  await worker.waitUntilReady();
  return { queue, worker, done };
}

async function end({ queue, worker }) {
  const counts = await queue.getJobCounts("completed", "wait", "active", "failed");
  if (counts.completed !== count) throw new Error(`the queue counts ${JSON.stringify(counts)}`);
  await worker.close();
  await queue.close();
}

// What has to be compiled is, before anything is timed.
const warm = await ready("warm");
const one = await warm.queue.addBulk(Array.from({ length: count }, (_, number) => ({ name: "job", data: { number } })));
if (one.length !== count) throw new Error("not all were added");
warm.worker.run();
await warm.done;
await end(warm);

const apart = await ready("apart");
const added = await timed(() => add(apart.queue));
const worked = await timed(async () => {
  apart.worker.run();
  await apart.done;
});
await end(apart);

const together = await ready("together");
const through = await timed(async () => {
  together.worker.run();
  await add(together.queue);
  await together.done;
});
await end(together);

console.log(JSON.stringify({ added, worked, through }));
process.exit(0);
