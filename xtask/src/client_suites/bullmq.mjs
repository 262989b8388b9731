// How BullMQ's tests are played: vitest's configuration, with a reporter that appends how each test ended to a file, a line
// of JSON each, so that a run that breaks off has told what it did.

import { appendFileSync } from "node:fs";
import { defineConfig } from "vitest/config";

const REPORT = process.env.CLIENT_SUITE_REPORT;

const reporter = {
  onTestCaseResult(test) {
    const result = test.result();
    const line = {
      test: `${test.module.relativeModuleId}: ${test.fullName}`,
      outcome: result.state,
      message: result.errors?.[0]?.message ?? "",
    };
    appendFileSync(REPORT, JSON.stringify(line) + "\n");
  },
};

export default defineConfig({
  test: {
    include: ["tests/*.test.ts"],
    // Those of a cluster, of other databases, and of other libraries than ioredis, which is what BullMQ brings to a server.
    exclude: [
      "tests/cluster.test.ts",
      "tests/postgres*.test.ts",
      "tests/bun-*.test.ts",
      "tests/node-redis.test.ts",
      "tests/valkey-glide-client.test.ts",
      "tests/adapter-conformance.test.ts",
    ],
    setupFiles: ["./vitest.setup.ts"],
    testTimeout: 10000,
    hookTimeout: 10000,
    fileParallelism: false,
    sequence: { concurrent: false },
    reporters: [reporter],
  },
});
