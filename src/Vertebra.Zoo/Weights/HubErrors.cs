using System.Net;

namespace Vertebra.Zoo.Weights;

/// <summary>The hub's refusals in one line: what, where, and what to do.</summary>
internal static class HubErrors
{
    /// <summary>The file is not in the repository, or a mirror that gives no reasons has not even that: another file may be there.</summary>
    public static bool IsMissingFile(HttpResponseMessage response) => response.StatusCode == HttpStatusCode.NotFound && CodeOf(response) is null or "EntryNotFound";

    public static VertebraException Of(HttpResponseMessage response, HubRepository repository, string file, HubSettings settings)
    {
        var place = $"{settings.Endpoint}/{repository.Id}";
        return new(((int)response.StatusCode, CodeOf(response)) switch
        {
            (404, "RevisionNotFound") => $"{place} has no revision '{repository.Revision}'; leave it out, or see the repository's list of branches",
            (404, _) => $"there is no repository {place}{Nearest(repository.Id)}",
            (401 or 403, "GatedRepo") => $"{place} is gated: accept its licence on that page, then set HF_TOKEN to a token of your account",
            (401, _) when settings.Token is null => $"{place} does not exist or is not public; check the name{Nearest(repository.Id)}, or set HF_TOKEN to a token that may read it",
            (401, _) => $"{place}: the token in HF_TOKEN is not accepted; renew it, or unset it for public weights",
            (403, _) => $"{place}: the token in HF_TOKEN may not read this repository; accept its licence on that page, or use another token",
            (429, _) => $"{settings.Endpoint} has had too many requests from here (429); wait a while, or set HF_TOKEN",
            ( >= 500, _) => $"{place}: the hub fails with {(int)response.StatusCode} for {file}; try again later, or set HF_ENDPOINT to a mirror",
            _ => $"{place}: the hub answers {(int)response.StatusCode} {response.ReasonPhrase} for {file}",
        });
    }

    /// <summary>Known repositories of about this name, as the end of a message; empty when there are none.</summary>
    public static string Nearest(string id)
    {
        var known = Models.List().SelectMany(m => m.Configs).Select(c => c.HubId).OfType<string>().Distinct(StringComparer.Ordinal).Where(i => i != id);
        var nearest = NearestNames.Find(id, known, most: 3);
        return nearest.Count == 0 ? "" : $"; the nearest known are {string.Join(", ", nearest)}";
    }

    private static string? CodeOf(HttpResponseMessage response) => response.Headers.TryGetValues("X-Error-Code", out var values) ? values.FirstOrDefault() : null;
}
