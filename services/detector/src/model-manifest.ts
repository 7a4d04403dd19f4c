/**
 * Which detection models there are, as data: `models.json` names each model's file, source, sha256, licence, family and
 * geometry. Adding a model of a known family is a change to that file alone.
 *
 * What differs between families is also data: tensor names, what the outputs hold, how many rows they have and how a
 * photo is put into the input (`preprocess`), so that one packer and one session adapter serve all of them.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';

/** No listed model may be larger: it bounds what a download can write to disk. */
export const modelBytesMax = 200_000_000;

const preprocessSchema = z.strictObject({
  /** Where the scaled photo lies in the square input; the rest is padding. Stretched: it fills it, out of proportion. */
  layout: z.enum(['top-left', 'centred', 'stretched']),
  /** Order of the three colour planes. */
  channels: z.enum(['bgr', 'rgb']),
  /** 8-bit values are divided by this: 1 keeps 0..255, 255 gives 0..1. */
  divisor: z.number().positive(),
  /** Grey value of the padding, 0..255, before the division. */
  padding: z.number().min(0).max(255),
});
export type Preprocess = z.infer<typeof preprocessSchema>;

/**
 * One output tensor. What it holds says its type and shape: `anchors` float32 `[1,rows,5+classes]`, `corners` float32
 * `[1,rows,4]`, `scores` float32 `[1,rows]`, `labels` int64 `[1,rows]`.
 */
const outputSchema = z.strictObject({
  /** Any one of these names is accepted: exporters differ. */
  names: z.array(z.string().min(1)).min(1),
  holds: z.enum(['anchors', 'corners', 'scores', 'labels']),
});
export type ModelOutput = z.infer<typeof outputSchema>;

const familySchema = z
  .strictObject({
    input: z.string().min(1),
    /** An int64 `[1,2]` input that takes the size boxes are given in; it is fed the input's own. */
    sizeInput: z.string().min(1).optional(),
    /** Read side by side: a row is its piece of each output, in this order. */
    outputs: z.array(outputSchema).min(1).max(4),
    /** A family with a grid has a row for each anchor of each cell … */
    anchorsPerCell: z.int().min(1).max(9).optional(),
    /** … one without has this many. */
    rows: z.int().min(1).max(10_000).optional(),
    preprocess: preprocessSchema,
  })
  .refine((family) => (family.rows === undefined) !== (family.anchorsPerCell === undefined), {
    error: 'a family has either anchorsPerCell or rows',
    path: ['rows'],
  });

const fileFacts = {
  bytes: z.int().min(1).max(modelBytesMax),
  sha256: z.string().regex(/^[0-9a-f]{64}$/, 'must be 64 lower-case hex digits'),
};
const fileSchema = z.strictObject({
  url: z.url({ protocol: /^https$/ }).endsWith('.onnx'),
  ...fileFacts,
  provenance: z.string().min(1),
});
export type ModelFile = z.infer<typeof fileSchema>;

const familyNameSchema = z.enum(['yolox', 'yolov5', 'deimv2']);
export type ModelFamily = z.infer<typeof familyNameSchema>;

const modelSchema = z
  .strictObject({
    name: z.string().regex(/^[a-z0-9-]{1,64}$/, 'must be lower-case letters, digits and hyphens'),
    family: familyNameSchema,
    /** The model that takes the second look when this one is the first and unsure. */
    second: z.string().optional(),
    licence: z.string().min(1),
    /** The name of a class set, so that long lists of class names exist once. */
    classes: z.string(),
    /** Side of the square input in pixels. */
    inputSize: z.int().min(32).max(2_048),
    /** Pixels per grid cell, one per output scale, in the order of the output's rows; empty without a grid. */
    strides: z.array(z.int().min(1)).max(8),
    /** The file ships with the detector: had without a network, and taken where the default model cannot be had. */
    embedded: z.strictObject({ path: z.string().regex(/^models\/[a-z0-9-]+\.onnx$/), ...fileFacts }).optional(),
    /** Any listed file is the model. None, and none embedded: the operator brings it with MODEL_PATH. */
    files: z.array(fileSchema).max(10),
  })
  .refine((model) => model.strides.every((stride) => model.inputSize % stride === 0), {
    error: 'every stride must divide inputSize',
    path: ['strides'],
  });

const manifestSchema = z
  .strictObject({
    classSets: z.record(z.string(), z.array(z.string().min(1)).min(1).max(1_000)),
    families: z.record(familyNameSchema, familySchema),
    models: z.array(modelSchema).min(1),
  })
  .superRefine((manifest, context) => {
    const names = new Set<string>();
    for (const [index, model] of manifest.models.entries()) {
      const issue = (field: string, message: string) =>
        context.addIssue({ code: 'custom', path: ['models', index, field], message });
      if (names.has(model.name)) issue('name', `${model.name} is listed twice`);
      if (model.strides.length > 0 !== (manifest.families[model.family].rows === undefined))
        issue('strides', 'strides belong to a family with a grid, and to no other');
      if (model.second !== undefined && !manifest.models.some((other) => other.name === model.second))
        issue('second', `no model ${model.second}`);
      if (!Object.hasOwn(manifest.classSets, model.classes)) issue('classes', `no class set ${model.classes}`);
      names.add(model.name);
    }
  });

type Model = z.infer<typeof modelSchema>;
type Family = z.infer<typeof familySchema>;

/** One model with its family's data and its class names filled in: all that the detector needs to know of it. */
export type ModelEntry = Readonly<Omit<Model, 'classes'> & Family & { classes: readonly string[] }>;

export const defaultModelName = 'yolox-nano';

/**
 * Reads and checks the manifest that ships with the detector, or another file of the same shape.
 * @throws Error that names the file and every field that is not valid.
 */
export function loadModelManifest(file: URL = new URL('../models.json', import.meta.url)): readonly ModelEntry[] {
  return parseModelManifest(JSON.parse(readFileSync(file, 'utf8')), file.pathname);
}

/** Checks a manifest already read. @throws Error that names `origin` and every field that is not valid. */
export function parseModelManifest(manifest: unknown, origin: string): readonly ModelEntry[] {
  const parsed = manifestSchema.safeParse(manifest);
  if (!parsed.success) throw new Error(`The model manifest ${origin} is not valid:\n${z.prettifyError(parsed.error)}`);
  const { classSets, families, models } = parsed.data;
  return models.map((model) => ({ ...model, ...families[model.family], classes: classSets[model.classes] ?? [] }));
}

/** The entry of that name. @throws Error that names the `setting` it came from and lists the names there are. */
export function modelEntry(
  name: string = defaultModelName,
  entries = loadModelManifest(),
  setting = 'MODEL_NAME',
): ModelEntry {
  const entry = entries.find((candidate) => candidate.name === name);
  if (entry !== undefined) return entry;
  throw new Error(`${setting}: there is no model ${name}; choose one of ${entries.map((one) => one.name).join(', ')}.`);
}

/** The model that ships with the detector, with the path of its file. @throws Error when the manifest names none. */
export function embeddedModel(entries = loadModelManifest()): { readonly entry: ModelEntry; readonly path: string } {
  const entry = entries.find((candidate) => candidate.embedded !== undefined);
  if (entry?.embedded === undefined) throw new Error('The model manifest names no embedded model.');
  return { entry, path: fileURLToPath(new URL(`../${entry.embedded.path}`, import.meta.url)) };
}

/**
 * The model of the second look: the one named, or the one that the manifest names for `first`; `none` switches it off.
 * @throws Error when there is no model of that name.
 */
export function secondEntry(
  first: ModelEntry,
  name: string | undefined,
  entries = loadModelManifest(),
): ModelEntry | undefined {
  const chosen = name ?? first.second ?? 'none';
  return chosen === 'none' ? undefined : modelEntry(chosen, entries, 'MODEL_SECOND_NAME');
}
