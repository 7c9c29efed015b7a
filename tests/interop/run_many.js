// Runs many ONNX files in one process: node run_many.js JOBS.json
// JOBS.json: [{ "model", "inputs": [{ "file", "type", "dims" }], "output" }]; tensors are raw little-endian files.
// Writes OUTPUT.<i>.bin for every output, and prints one line of JSON per job: { "outputs": [{ "name", "type", "dims" }] } or { "error" }.
const fs = require('fs');
const ort = require('onnxruntime-node');

const arrays = {
  float32: Float32Array, float64: Float64Array, int64: BigInt64Array, int32: Int32Array, uint8: Uint8Array, int8: Int8Array, bool: Uint8Array, float16: Uint16Array,
};

function read(input) {
  const bytes = fs.readFileSync(input.file);
  const aligned = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
  return new ort.Tensor(input.type, new arrays[input.type](aligned), input.dims);
}

// Weights of more than 2 GB stay where they are mapped: rewritten graphs hold them turned, and kernels packed, which would be twice more.
function lean(model) {
  const data = fs.statSync(`${model}.data`, { throwIfNoEntry: false });
  return data && data.size > 2e9 ? { graphOptimizationLevel: 'disabled', enableCpuMemArena: false, extra: { session: { disable_prepacking: '1' } } } : {};
}

async function run(job) {
  const options = { executionProviders: ['cpu'], logSeverityLevel: 3, intraOpNumThreads: 1, ...lean(job.model) };
  const session = await ort.InferenceSession.create(job.model, options);
  try {
    const feeds = {};
    session.inputNames.forEach((name, i) => { feeds[name] = read(job.inputs[i]); });
    const results = await session.run(feeds);
    return session.outputNames.map((name, i) => {
      const { type, dims, data } = results[name];
      fs.writeFileSync(`${job.output}.${i}.bin`, Buffer.from(data.buffer, data.byteOffset, data.byteLength));
      return { name, type, dims };
    });
  } finally {
    await session.release();
  }
}

(async () => {
  for (const job of JSON.parse(fs.readFileSync(process.argv[2], 'utf8'))) {
    try {
      console.log(JSON.stringify({ outputs: await run(job) }));
    } catch (e) {
      console.log(JSON.stringify({ error: e.message.split('\n')[0] }));
    }
  }
})();
