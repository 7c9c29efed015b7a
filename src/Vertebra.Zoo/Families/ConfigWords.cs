namespace Vertebra.Zoo.Families;

/// <summary>Words with which tables of weights say how images are prepared.</summary>
internal static class ConfigWords
{
    extension(PretrainedConfig config)
    {
        /// <summary>Pixels in [-1, 1].</summary>
        public PretrainedConfig Half() => config with { Mean = PretrainedConfig.Half, Std = PretrainedConfig.Half };

        /// <summary>Pixels in [0, 1], as they are.</summary>
        public PretrainedConfig Raw() => config with { Mean = [0, 0, 0], Std = [1, 1, 1] };

        public PretrainedConfig Bilinear() => config with { Interpolation = "bilinear" };

        public PretrainedConfig Bicubic() => config with { Interpolation = "bicubic" };

        /// <summary>Share of the resized image that the crop takes.</summary>
        public PretrainedConfig Crop(float share) => config with { CropPct = share };

        /// <summary>The whole image is squeezed into the square.</summary>
        public PretrainedConfig Squash() => config with { CropMode = "squash" };

        public PretrainedConfig Classes(int count) => config with { NumClasses = count };
    }
}
