"""Registry of model families by task: for each name its configuration and its constructor.

Only this module imports families from outside; tasks find them here by name.
"""

from __future__ import annotations

from training.models.encoders import htcl_encoder
from training.models.encoders.centred_cosine import CentredCosine, CentredCosineConfig
from training.models.encoders.htcl_encoder import HTCLConfig, HTCLEncoder
from training.models.encoders.ridge import Ridge, RidgeConfig
from training.models.encoders.vader import Vader, VaderConfig
from training.models.encoders.words_to_waves import WordsToWaves, WordsToWavesConfig
from training.models.ranking.bpr import BPR, BPRConfig
from training.models.ranking.concat_twin import ConcatTwinConfig, concat_twin
from training.models.ranking.ease import EASE, EASEConfig
from training.models.ranking.ials import IALS, IALSConfig
from training.models.ranking.item_knn import ItemKNN, ItemKNNConfig
from training.models.ranking.light_gcn import LightGCN, LightGCNConfig
from training.models.ranking.light_gcn_ease import LightGCNEASE, LightGCNEASEConfig
from training.models.ranking.mhcn import MHCN, MHCNConfig
from training.models.ranking.mm_gnn import MMGNN, MMGNNConfig
from training.models.ranking.mood_popularity import MoodPopularity, MoodPopularityConfig
from training.models.ranking.nearest_mood import NearestMood, NearestMoodConfig
from training.models.ranking.popularity import Popularity, PopularityConfig
from training.models.ranking.wide_deep import WideDeep, WideDeepConfig, lacks_needed
from training.tasks.protocol import Family, ModelRef

RANKING: dict[str, Family] = {
    "popularity": Family(PopularityConfig, Popularity),
    "item_knn": Family(ItemKNNConfig, ItemKNN),
    "ease": Family(EASEConfig, EASE),
    "ials": Family(IALSConfig, IALS),
    "bpr": Family(BPRConfig, BPR),
    "light_gcn": Family(LightGCNConfig, LightGCN),
    "light_gcn_ease": Family(LightGCNEASEConfig, LightGCNEASE),
    "mhcn": Family(MHCNConfig, MHCN),
    "concat_twin": Family(ConcatTwinConfig, concat_twin),
    "mm_gnn": Family(MMGNNConfig, MMGNN),
}

AUDIO_TEXT: dict[str, Family] = {
    "centred_cosine": Family(CentredCosineConfig, CentredCosine),
    "htcl": Family(HTCLConfig, HTCLEncoder, lacks=htcl_encoder.lacks),
}

TEXT_EMOTION: dict[str, Family] = {
    "words_to_waves": Family(WordsToWavesConfig, WordsToWaves),
    "ridge": Family(RidgeConfig, Ridge),
    "vader_valence": Family(VaderConfig, Vader),
}

MOOD: dict[str, Family] = {
    "wide_deep": Family(
        WideDeepConfig,
        WideDeep,
        needs=(ModelRef("ranking", "mm_gnn"),),
        lacks_needed=lacks_needed,
    ),
    "nearest": Family(NearestMoodConfig, NearestMood),
    "popularity": Family(MoodPopularityConfig, MoodPopularity),
}
