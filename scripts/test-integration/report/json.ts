/** The report for programs: one JSON document, under the API's kind of names. */
import type { Report } from '../run.ts';

export function toJson({ passed, aiServiceUrl, backendUrl, startedAt, tookMs, checks }: Report): string {
  const document = {
    passed,
    ai_service_url: aiServiceUrl,
    backend_url: backendUrl ?? null,
    started_at: startedAt,
    duration_ms: tookMs,
    checks: checks.map((check) => ({
      id: check.id,
      title: check.title,
      status: check.status,
      duration_ms: check.tookMs,
      message: check.message,
      broken: check.blame?.part ?? null,
      next: check.blame?.next ?? [],
      warnings: check.warnings,
      details: check.details,
    })),
  };
  return JSON.stringify(document, null, 2);
}
