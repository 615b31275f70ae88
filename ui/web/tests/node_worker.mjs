// A worker of node that learns: with the interface of a browser's Worker, for training.js. It is also what runs in the thread.
import { readFileSync } from "node:fs";
import { isMainThread, parentPort, Worker } from "node:worker_threads";

export class NodeWorker {
  #worker = new Worker(new URL(import.meta.url), { execArgv: [] });
  #ended = false;

  addEventListener(type, listen) {
    if (type === "message") this.#worker.on("message", (data) => listen({ data }));
    if (type === "error") this.#worker.on("exit", () => this.#ended || listen({ message: "the worker ended" }));
  }

  postMessage = (message) => this.#worker.postMessage(message);

  terminate() {
    this.#ended = true;
    return this.#worker.terminate();
  }

  /** End as a browser ends a worker that takes too much memory. */
  kill = () => this.#worker.terminate();
}

if (!isMainThread) {
  const { compile } = await import("../network/kernel.js");
  const { answer } = await import("../learning/learner.js");
  const { failure } = await import("../words/units.js");
  const code = await compile(readFileSync(new URL("../network/batch.wasm", import.meta.url)));
  parentPort.on("message", async ({ id, ...question }) => {
    if (question.what === "begin") question.values.code = code;
    try {
      const { content, moved } = await answer(question);
      parentPort.postMessage({ id, answer: content }, moved);
    } catch (error) {
      parentPort.postMessage({ id, answer: { error: failure(error) } });
    }
  });
}
