//! Numbers about numbers. Pure.

use serde::Serialize;

/// A median and how far the samples lie apart.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Spread {
    /// The median.
    pub median: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
}

impl Spread {
    /// Of these samples; `None` when there are none.
    pub fn of(samples: &[f64]) -> Option<Self> {
        Some(Self {
            median: median(samples)?,
            min: samples.iter().copied().reduce(f64::min)?,
            max: samples.iter().copied().reduce(f64::max)?,
        })
    }
}

/// The median: of an even number of samples, the mean of the two in the middle.
pub fn median(samples: &[f64]) -> Option<f64> {
    let mut sorted = samples.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let upper = *sorted.get(middle)?;
    if sorted.len() % 2 == 1 {
        return Some(upper);
    }
    let lower = *sorted.get(middle.checked_sub(1)?)?;
    Some(f64::midpoint(lower, upper))
}

/// How far each sample is from the median, in units that make it comparable with a standard deviation
/// (Iglewicz and Hoaglin). All zero when more than half of the samples are equal.
pub fn modified_z_scores(samples: &[f64]) -> Vec<f64> {
    /// The 0.75 quantile of the normal distribution.
    const MAD_OF_NORMAL: f64 = 0.6745;
    let center = median(samples).unwrap_or_default();
    let deviations: Vec<f64> = samples.iter().map(|sample| (sample - center).abs()).collect();
    let mad = median(&deviations).unwrap_or_default();
    let score =
        |sample: &f64| if mad > 0.0 { MAD_OF_NORMAL * (sample - center) / mad } else { 0.0 };
    samples.iter().map(score).collect()
}

/// A sample of a round.
pub type Paired = (u32, f64);

/// The median of `theirs / ours` over the rounds that have both, so that a slow hour slows both sides of
/// each ratio. Without such a round, the ratio of the medians.
pub fn paired_ratio(theirs: &[Paired], ours: &[Paired]) -> Option<f64> {
    let same_round = |round| ours.iter().find(|(other, _)| *other == round);
    let ratios: Vec<f64> = theirs
        .iter()
        .filter_map(|(round, value)| Some((value, same_round(*round)?.1)))
        .filter(|(_, ours)| *ours > 0.0)
        .map(|(theirs, ours)| theirs / ours)
        .collect();
    median(&ratios).or_else(|| {
        let of = |samples: &[Paired]| {
            median(&samples.iter().map(|(_, value)| *value).collect::<Vec<_>>())
        };
        let ours = of(ours).filter(|ours| *ours > 0.0)?;
        Some(of(theirs)? / ours)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
        let spread = Spread::of(&[2.0, 9.0, 1.0]).unwrap();
        assert_eq!((spread.median, spread.min, spread.max), (2.0, 1.0, 9.0));
    }

    #[test]
    fn an_outlier_stands_out_and_equal_samples_do_not() {
        let scores = modified_z_scores(&[1.0, 1.1, 0.9, 1.05, 9.0]);
        assert!(scores[4] > 14.0, "{scores:?}");
        assert!(scores[..4].iter().all(|score| score.abs() < 3.0), "{scores:?}");
        assert_eq!(modified_z_scores(&[2.0, 2.0, 2.0, 5.0]), [0.0; 4]);
    }

    #[test]
    fn ratios_are_paired_by_round() {
        // The second round was four times slower for both.
        let ours = [(0, 1.0), (1, 4.0), (2, 1.0)];
        let theirs = [(1, 8.0), (0, 2.0), (3, 100.0)];
        assert_eq!(paired_ratio(&theirs, &ours), Some(2.0));
        assert_eq!(paired_ratio(&[(7, 3.0)], &[(8, 2.0)]), Some(1.5));
        assert_eq!(paired_ratio(&[], &ours), None);
        assert_eq!(paired_ratio(&theirs, &[]), None);
    }
}
