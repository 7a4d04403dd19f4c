/** The five services in one process, on one port: the same code and the same subjects, to begin small. */
import { detector } from '@pet-roast/detector/src/main.ts';
import { gateway } from '@pet-roast/gateway/src/main.ts';
import { notifier } from '@pet-roast/notifier/src/main.ts';
import { revidBridge } from '@pet-roast/revid-bridge/src/main.ts';
import { runTogether } from '@pet-roast/shared';
import { translator } from '@pet-roast/translator/src/main.ts';

// The notifier answers on this process's own port.
process.env['NOTIFIER_URL'] ||= `http://127.0.0.1:${process.env['PORT'] || gateway.config.PORT.parse(undefined)}`;

// The gateway comes last, so that it is the first to stop: it takes no job that the others would not begin.
await runTogether('all-in-one', [detector, translator, revidBridge, notifier, gateway]);
