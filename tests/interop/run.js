// Runs an ONNX file in ONNX Runtime: node run.js MODEL INPUT.f32 N,C,H,W OUTPUT_PREFIX
// Reads the input and writes every output as raw little-endian float32; prints one JSON line of names and shapes.
const fs = require('fs');
const ort = require('onnxruntime-node');

(async () => {
  const [model, inputFile, dims, prefix] = process.argv.slice(2);
  const session = await ort.InferenceSession.create(model, { executionProviders: ['cpu'], logSeverityLevel: 3 });
  const bytes = fs.readFileSync(inputFile);
  const data = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
  const results = await session.run({ [session.inputNames[0]]: new ort.Tensor('float32', data, dims.split(',').map(Number)) });
  const shapes = {};
  for (const name of session.outputNames) {
    shapes[name] = results[name].dims;
    fs.writeFileSync(`${prefix}.${name}.f32`, Buffer.from(results[name].data.buffer, results[name].data.byteOffset, results[name].data.byteLength));
  }
  console.log(JSON.stringify(shapes));
})().catch((e) => {
  console.error(e.message);
  process.exit(1);
});
