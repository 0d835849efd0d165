// Checks of the JavaScript client: functions that are run in order, each reported with its time.
// A script is given a namespace of its own, `ns`, and the kubeconfig that KUBECONFIG names.
import assert from 'node:assert/strict';
import { KubeConfig } from '@kubernetes/client-node';

export const ns = process.argv[2];
export const config = new KubeConfig();
config.loadFromDefault();

// The call must fail like this; gives the Status that came back.
export async function refused(code, reason, call) {
  try {
    await call();
  } catch (error) {
    const status = typeof error.body === 'string' ? JSON.parse(error.body) : error.body;
    assert.deepEqual([error.code, status.code, status.reason], [code, code, reason]);
    return status;
  }
  throw new Error('was not refused');
}

// A promise that others fulfil, and that fails after ten seconds.
export function awaited(what) {
  let resolve;
  const promise = new Promise((done, fail) => {
    const timer = setTimeout(() => fail(new Error(`no ${what} within 10 s`)), 10_000);
    resolve = (value) => {
      clearTimeout(timer);
      done(value);
    };
  });
  promise.catch(() => {}); // Whoever waits for it hears of it.
  return { promise, resolve };
}

export async function run(checks) {
  let failed = 0;
  for (const check of checks) {
    const start = performance.now();
    let verdict = 'ok';
    try {
      await check();
    } catch (error) {
      console.log(error);
      verdict = 'FAILED';
      failed += 1;
    }
    const ms = Math.round(performance.now() - start);
    console.log(`${check.name.padEnd(28)} ${verdict.padEnd(6)} ${String(ms).padStart(5)} ms`);
  }
  process.exit(failed ? 1 : 0);
}
