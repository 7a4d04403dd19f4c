/**
 * Imported before onnxruntime-node: from 1.30 on its native library sends usage data to its maker, also on Linux, unless
 * this variable is set when it is loaded (`ORT_DISABLE_TELEMETRY`, onnxruntime/core/platform/posix/telemetry.cc).
 */
process.env['ORT_DISABLE_TELEMETRY'] = '1';
