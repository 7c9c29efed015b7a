// Profiles ONNX Runtime node by node: node ort_profile.js FOLDER_OF_NODE_MODULES FILE.onnx BATCH THREADS PREFIX
// Runs the file 20 times after 3 others and leaves ONNX Runtime's own profile, PREFIX_*.json.
const path = require('path');
const [modules, file, batch, threads, prefix] = process.argv.slice(2);
const ort = require(path.join(modules, 'onnxruntime-node'));
(async () => {
  const session = await ort.InferenceSession.create(file, {
    intraOpNumThreads: +threads, interOpNumThreads: 1, graphOptimizationLevel: 'all', executionProviders: ['cpu'],
    enableProfiling: true, profileFilePrefix: prefix,
  });
  const data = new Float32Array(+batch * 3 * 224 * 224).map((_, i) => Math.sin(i));
  for (let i = 0; i < 23; i++)
    await session.run({ [session.inputNames[0]]: new ort.Tensor('float32', data, [+batch, 3, 224, 224]) });
  session.endProfiling();
})();
