/** The README's configuration table, out of the services' schemas. */
import { commonConfig, describeConfig } from '@pet-roast/shared';
import { configSchema as detector } from '../../services/detector/src/config.ts';
import { configSchema as gateway } from '../../services/gateway/src/config.ts';
import { configSchema as notifier } from '../../services/notifier/src/config.ts';
import { configSchema as bridge } from '../../services/revid-bridge/src/config.ts';
import { configSchema as translator } from '../../services/translator/src/config.ts';
import { table } from './journey-page.ts';

const services = { gateway, detector, translator, 'revid-bridge': bridge, notifier } as const;

/** One table for what all services read, then one for each service's own. */
export function configTables(): string {
  const own = Object.entries(services).map(([name, schema]) => {
    const rows = describeConfig(schema).filter((row) => row.name === 'PORT' || !(row.name in commonConfig));
    return section(name, rows);
  });
  const common = describeConfig(commonConfig).filter((row) => row.name !== 'PORT');
  return [section('Every service', common), ...own].join('\n\n');
}

function section(title: string, rows: ReturnType<typeof describeConfig>): string {
  const cells = rows.map(({ name, fallback, about, secret }) => [
    `\`${name}\``,
    fallback === 'required' ? '**required**' : fallback === '' ? '' : `\`${fallback}\``,
    secret ? `${about} *(secret)*` : about,
  ]);
  return `**${title}**\n\n${table(['Variable', 'Default', 'What it is'], cells)}`;
}
